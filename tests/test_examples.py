"""Every public name has an example in its docstring, and the examples run: on one small glass, made once."""

import doctest
import functools
import inspect

import matplotlib
import pytest

import listi

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.fixture(scope="module")
def made_once():
    return functools.cache(listi.generate)


@pytest.mark.parametrize("name", sorted(listi.__all__))
def test_the_example_runs(name, made_once, tmp_path, monkeypatch, capsys):
    text = inspect.getdoc(getattr(listi, name)) or ""
    example = doctest.DocTestParser().get_doctest(text, {}, f"listi.{name}", None, None)
    assert example.examples, f"listi.{name}: its docstring has no example"
    assert f"listi.{name}" in "".join(one.source for one in example.examples), f"listi.{name}: the example is of others"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(listi, "generate", made_once)
    matplotlib.use("agg")
    failed, _ = doctest.DocTestRunner(optionflags=FLAGS).run(example)
    assert not failed, capsys.readouterr().out
