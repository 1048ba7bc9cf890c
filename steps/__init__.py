"""What changes machines: the migration as one ordered list, one small module per subject, and the thin executor.

The list reads as the article's procedure; the executor walks it from top to bottom.
"""

from steps.build import carry_over, nginx, pack, postgresql, quarantine, release, runtimes, volume
from steps.keep import backups, image
from steps.night import acceptance, checklist, cutover, dns, notices, rights, window
from steps.provision import ami, firewall, first_login, instance, key_pair
from steps.rehearse import application, data, files, redis, sampling
from steps.step import Step
from steps.survey import survey

SURVEY = (survey.survey_source,)
"""Walk through the current environment."""

ANNOUNCE = (notices.publish_notice,)
"""Tell users early."""

PROVISION = (
    key_pair.create_key_pair,
    firewall.open_firewall,
    ami.inspect_ami,
    instance.launch_instance,
    first_login.pin_host_key,
)
"""Set up the new environment: key, firewall, machine, login."""

BUILD = (
    volume.mount_data_volume,
    runtimes.install_runtimes,
    postgresql.install_postgresql,
    postgresql.move_data_to_mount,
    postgresql.require_passwords,
    postgresql.create_role_and_database,
    quarantine.hold_target,
    release.copy_release,
    runtimes.bring_dependencies,
    pack.configure_pack,
    nginx.configure_nginx,
    carry_over.finish_build,
)
"""Install what the application needs, and the application."""

REHEARSE = (
    sampling.sample_pages,
    data.copy_database,
    redis.copy_redis,
    files.copy_uploads,
    application.start_application,
    application.rehearse,
)
"""Test with a copy of production data."""

KEEP = (image.make_image, backups.schedule_backups, backups.test_restore)
"""What must be there before the cutover: an image of the target, and backups."""

PREPARE = (checklist.write_checklist, dns.lower_ttl, rights.try_rights, window.await_window)
"""What must be done ahead of the window, and the wait for it."""

CUT_OVER = (
    cutover.close_source,
    application.stop_target_application,
    data.copy_database_again,
    files.copy_uploads_again,
    redis.copy_redis_again,
    application.start_application_again,
    cutover.open_target,
    dns.change_dns,
)
"""Turn off the old environment, copy production's data, move DNS."""

ACCEPT = (acceptance.accept,)
"""Final tests through public DNS."""

PHASES: dict[str, tuple[Step, ...]] = {
    "survey": SURVEY,
    "announce": ANNOUNCE,
    "provision": PROVISION,
    "build": BUILD,
    "rehearse": REHEARSE,
    "keep": KEEP,
    "prepare": PREPARE,
    "cut over": CUT_OVER,
    "accept": ACCEPT,
}

STEPS: tuple[Step, ...] = tuple(step for steps in PHASES.values() for step in steps)
