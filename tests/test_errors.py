"""Errors: one root, the builtin each resembles, and messages that say where."""

from __future__ import annotations

import pytest

from lowtide import errors


@pytest.mark.parametrize("name", [n for n in errors.__all__ if n.endswith("Error")])
def test_every_error_has_the_root_and_is_drawn_in_the_docstring(name):
    assert issubclass(getattr(errors, name), errors.LowtideError)
    assert name in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        (errors.InputError, ValueError),
        (errors.QuantityError, ValueError),
        (errors.CoverageError, ValueError),
        (errors.RunNotFoundError, LookupError),
        (errors.SensorError, RuntimeError),
        (errors.StoreError, OSError),
        (errors.MissingExtraError, ImportError),
    ],
)
def test_error_is_caught_as_the_builtin_it_resembles(cls, builtin):
    assert issubclass(cls, builtin)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({}, "a.csv: wrong"),
        ({"line": 3}, "a.csv, line 3: wrong"),
        ({"line": 3, "column": 2}, "a.csv, line 3, column 2: wrong"),
    ],
)
def test_data_file_error_says_where(where, message):
    error = errors.DataFileError("wrong", path="a.csv", **where)
    assert str(error) == message
    assert (error.path, error.line, error.column) == ("a.csv", where.get("line"), where.get("column"))


def test_missing_extra_says_what_to_install():
    error = errors.MissingExtraError("reading Parquet", extra="parquet")
    assert str(error) == "reading Parquet needs an optional library: pip install 'lowtide[parquet]'"


def test_near_matches_ignore_case_and_say_nothing_when_nothing_is_near():
    assert errors.near_matches("de", ["DE", "FR"]) == "; did you mean DE?"
    assert errors.near_matches("xyz", ["DE", "FR"]) == ""
