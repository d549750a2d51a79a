"""What diffusion models are made of: noising, the way back, and the net that predicts noise."""
