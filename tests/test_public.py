"""The public names: annotated, documented, and seen by a type checker although they are imported on first use."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import listi

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS = [name for name in listi.__all__ if inspect.isfunction(getattr(listi, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_are_annotated_and_documented(name):
    function = getattr(listi, name)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        if parameter.kind is not parameter.VAR_KEYWORD:
            assert parameter.annotation is not parameter.empty, parameter.name
            assert re.search(rf"(?m)^    (\w+, )*{parameter.name}\b", function.__doc__), parameter.name
    assert "    Returns\n" in function.__doc__ and "    Raises\n" in function.__doc__


def test_a_type_checker_sees_the_public_names(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import listi\nlisti.probe('no glass')\nlisti.nothing\n")
    command = [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", script]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert 'script.py:2: error: Argument 1 to "probe" has incompatible type "str"; expected "Network"' in output
    assert 'script.py:3: error: Module has no attribute "nothing"' in output
