"""Encoders by name; a file per family. A new one is one function with one decorator."""
