"""nginx's sites: which need a link."""

from pathlib import PurePosixPath

from steps.build import nginx


def test_a_site_of_sites_available_needs_a_link():
    assert nginx.enabled_link(PurePosixPath("/etc/nginx/sites-available/app")) == PurePosixPath(
        "/etc/nginx/sites-enabled/app"
    )
    assert nginx.enabled_link(PurePosixPath("/etc/nginx/conf.d/app.conf")) is None
