# SPDX-License-Identifier: Apache-2.0
"""Why a model cannot be imported; import_model.py prints the sentence and exits with the code."""


class Refusal(Exception):
    """The file is not what the importer can take over: exit code 3."""
    code = 3


class UsageRefusal(Refusal):
    """Something must be stated, or was stated wrongly: exit code 2."""
    code = 2
