from importlib.resources import files

import pytest

from onward.settings import _fields, masked, resolve
from onward_apps.orders.place import Source, Target
from onward_apps.orders.settings import Settings, given, settings_of

PAIRS = (
    "bucket_endpoint=https://s3.example.org bucket_id=AKIA1 bucket_key=a/b+c=d== bucket_name=lake bucket_path=/data/x/"
)


def test_pairs_are_split_at_the_first_equals_sign_and_are_a_url():
    source = Source(PAIRS)
    assert source.url == "s3://lake/data/x?endpoint=https%3A%2F%2Fs3.example.org&key=AKIA1&secret=a%2Fb%2Bc%3Dd%3D%3D"
    assert str(source) == repr(source) == "s3://lake/data/x?endpoint=https://s3.example.org&key=AKIA1&secret=***"
    assert masked("it was a/b+c=d== or a%2Fb%2Bc%3Dd%3D%3D") == "it was *** or ***"
    assert source.open().where == "s3://lake/data/x"


def test_without_id_and_key_the_default_chain_is_used():
    assert Source("bucket_endpoint= bucket_id= bucket_key= bucket_name=lake bucket_path=").url == "s3://lake/"


def test_a_folder_and_urls_stay_as_they_are():
    for text in ("data", "file:///srv/data", "s3://lake/data", "/srv/data"):
        assert Source(text).url == str(Source(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("bucket_name=lake bucket_path=x", "bucket_endpoint, bucket_id, bucket_key"),
        (PAIRS + " region=x", "1 thing"),
        (PAIRS.replace("lake", ""), "bucket_name is empty"),
    ],
)
def test_what_is_no_source_is_told_without_the_text(text, said):
    with pytest.raises(ValueError, match=said) as caught:
        Source(text)
    assert "a/b+c" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("user=me password=s3cretword host=h dbname=d", "user=me password=*** dbname=d host=h"),
        ("postgresql://me:s3cretword@h:5433/d?sslmode=require",
         "user=me password=*** dbname=d host=h port=5433 sslmode=require"),
        ("postgres://h/d", "dbname=d host=h"),
        (r"password='s3cret \'word' host = h dbname='my db'", "password=*** dbname=my db host=h"),
    ],
)  # fmt: skip
def test_a_target_in_postgresql_goes_to_libpq_as_it_is_and_is_shown_masked(text, shown):
    target = Target(text)
    assert target.reveal() == text
    assert str(target) == repr(target) == shown
    assert "s3cret" not in masked(f"could not use {text}")


@pytest.mark.parametrize(
    "text", ["user=me passwort=s3cretword", "host=h password='s3cretword", "postgresql://me:s3cretword@h:x:y/d?a"]
)
def test_what_libpq_cannot_read_is_refused_without_showing_it(text):
    with pytest.raises(ValueError, match="libpq cannot read it") as caught:
        Target(text)
    assert "s3cretword" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "orders.db", "sqlite:///", "sqlite:orders.db"])
def test_what_is_no_target_is_refused(text):
    with pytest.raises(ValueError, match="sqlite:///FILE"):
        Target(text)


def read(**environment: str) -> Settings:
    return resolve("orders", Settings, environment=environment)[0]


def test_the_environment_is_read():
    settings = read(
        RUN_AS_SERVICE="False", MIN_SLEEP="1", MAX_SLEEP="1", DRY_RUN="YES", NOTIFICATIONS="0", NATS="nats://h",
        SOURCE=PAIRS, TARGET="sqlite:////t.db", LOG_LEVEL="debug",
    )  # fmt: skip
    assert (settings.run_as_service, settings.dry_run, settings.notifications) == (False, True, False)
    assert (settings.min_sleep, settings.max_sleep, settings.log_level) == (1, 1, "debug")
    assert (settings.target.reveal(), settings.source.url[:9]) == ("sqlite:////t.db", "s3://lake")
    assert read(NOTIFICATIONS="1", RUN_AS_SERVICE="true", DRY_RUN="no") == Settings()


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"RUN_AS_SERVICE": "perhaps"}, "RUN_AS_SERVICE"),
        ({"DRY_RUN": ""}, "DRY_RUN"),
        ({"MIN_SLEEP": "x"}, "MIN_SLEEP"),
        ({"MIN_SLEEP": "31"}, "MIN_SLEEP 31 and MAX_SLEEP 30"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"NATS": "http://u:s3cretword@h"}, "NATS"),
        ({"NATS_STREAM": "a.b"}, "NATS_STREAM"),
        ({"SOURCE": ""}, "SOURCE"),
        ({"TARGET": "dbname=x passwort=s3cretword"}, "TARGET"),
    ],
)
def test_what_cannot_be_is_named(environment, said):
    with pytest.raises(Exception, match=said) as caught:
        read(**environment)
    assert type(caught.value).__name__ == "SettingError" and "s3cretword" not in str(caught.value)


def test_a_loader_has_defaults_of_its_own_and_flags_win():
    made = resolve("x", settings_of("in", "sqlite:///x.db"), environment={"SOURCE": "env"}, given=given(dry_run=True))
    assert (str(made[0].source), str(made[0].target), made[0].dry_run) == ("env", "sqlite:///x.db", True)
    assert given(source=None, min_sleep=0) == {"min_sleep": "0"}


def test_the_sample_environment_is_one():
    lines = (files("onward_apps.orders") / "config.env.sample").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    made = read(**environment)
    assert set(environment) == {env for *_, env in _fields(Settings)}
    assert made.source.url == "s3://lake/data?endpoint=https%3A%2F%2Fs3.example.org"
