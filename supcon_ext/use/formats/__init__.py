"""Files that other programs load an encoder from, a module each, with the way back to check it."""
