"""How good an encoder is: probes, neighbours, calibration, pictures and tables."""
