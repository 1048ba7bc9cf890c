"""Ruby on the target."""

import pytest

from checks import check_ruby
from fixtures.errors import NoGo


def test_a_dated_package_that_is_left_is_no_go():
    check_ruby.check_dated_package_is_gone("ruby", installed=False)
    with pytest.raises(NoGo, match="the package ruby on the target"):
        check_ruby.check_dated_package_is_gone("ruby", installed=True)
