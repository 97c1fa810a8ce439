# SPDX-License-Identifier: Apache-2.0
"""The trainer behind scripts/train.py: PyTorch modules that compute what the engine computes."""
