"""gradcheck's verdicts and suspicions: mistakes that were planted, and functions that are right."""

from __future__ import annotations

import re
import warnings

import pytest
from planted import PLANTED, RIGHT, found

from minitorch.autograd import gradcheck, gradgradcheck

RIGHTLY = 54  # of the planted mistakes, of how many the suspicion is right
DIFFICULT = {"silu without its second term"}


@pytest.fixture(scope="module")
def said():
    """What is suspected of each planted mistake."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of float32
        return {name: found(name) for name in PLANTED}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_mistakes(said, name):
    """Each is caught, and the suspicion is right, or says honestly that there is none."""
    assert said[name] is not None
    if not re.search(PLANTED[name][2], said[name]):
        assert name in DIFFICULT, said[name]
        assert said[name] == "no simple pattern"


def test_how_often_the_suspicion_is_right(said):
    """The count, which may only grow."""
    right = [name for name, text in said.items() if text and re.search(PLANTED[name][2], text)]
    assert len(PLANTED) >= 40 and len(right) == RIGHTLY


@pytest.mark.parametrize("name", RIGHT)
def test_right_functions(name):
    """No accusation, also to the second order and along one direction."""
    function, inputs = RIGHT[name]
    assert gradcheck(function, inputs) is True
    assert gradcheck(function, inputs, fast_mode=True) is True
    assert gradgradcheck(function, inputs) is True
