"""Networks: backbones, projector and classifier heads, the averaged twin."""
