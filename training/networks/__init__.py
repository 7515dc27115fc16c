"""The networks, in plain torch, under the names that diffusers gives their parameters."""
