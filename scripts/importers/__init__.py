# SPDX-License-Identifier: Apache-2.0
"""Importers of models trained elsewhere, one function per source format; see import_model.py."""
