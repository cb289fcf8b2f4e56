"""Samplers: which samples an epoch visits, and how often. One file each."""

from supcon_ext.samplers.base import Sampler, SamplerInput, sampler

__all__ = ["Sampler", "SamplerInput", "sampler"]
