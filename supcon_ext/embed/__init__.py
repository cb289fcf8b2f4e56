"""Pretrained encoders put to use: pictures become files of vectors that recipes train on."""

from supcon_ext.embed.embedding import EmbedResult, embed_pictures
from supcon_ext.embed.encoder import Encoder, find_encoder

__all__ = [
    "EmbedResult",
    "Encoder",
    "embed_pictures",
    "find_encoder",
]
