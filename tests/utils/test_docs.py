# SPDX-License-Identifier: BSD-3-Clause
"""Facts about shared parameter descriptions: readers see them in full."""

import inspect
import pydoc

import pytest

from sktransform.utils._docs import DESCRIPTIONS, fill_doc
from sktransform.utils.discovery import all_estimators


@pytest.mark.parametrize(("name", "cls"), all_estimators())
def test_help_of_estimators_has_no_entry_left_to_fill(name, cls):
    assert "%(" not in pydoc.render_doc(cls)


@pytest.mark.parametrize(("name", "cls"), all_estimators())
def test_descriptions_of_devices_are_shown_in_full(name, cls):
    documented = inspect.getdoc(cls)
    if "device : str" in documented:
        assert " ".join(DESCRIPTIONS["device"].split()) in " ".join(documented.split())


def test_entries_of_a_class_and_its_methods_keep_their_indentation():
    @fill_doc
    class Filled:
        """Have a parameter.

        Parameters
        ----------
        device : str
            %(device)s. It is kept.
        """

        @classmethod
        def made(cls):
            """Return one.

            %(seed)s.
            """

    first, second = DESCRIPTIONS["device"].split("\n")
    documented = inspect.getdoc(Filled)
    assert f"    {first}\n    {second}. It is kept." in documented
    assert inspect.getdoc(Filled.made).endswith(f"{DESCRIPTIONS['seed']}.")


def test_an_unknown_entry_raises():
    def unknown():
        """Fail.

        %(nothing)s.
        """

    with pytest.raises(KeyError, match="nothing"):
        fill_doc(unknown)
