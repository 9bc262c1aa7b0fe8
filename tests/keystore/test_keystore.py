"""Key files in a folder: whose eyes, whose environment, who wins a race (protocol 7; cases 112-114)."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import pickle
import stat
import threading
from pathlib import Path

import pytest

from gateway import keystore
from gateway.core import kem, keys
from gateway.core.keys import CHEAP, Cost
from gateway.errors import Conflict, GatewayError, Misconfigured, NotFound, Unavailable
from gateway.keystore import CREDENTIAL, KeyStore, read_passphrase, read_private, write_private

PASSPHRASE = b"words that nobody guesses"
NODE, POLICE, GILES = "E09000012/node", "E09000012/police", "E09000012/st_giles"


def raises(kind, code, call, *args, **more):
    with pytest.raises(GatewayError) as caught:
        call(*args, **more)
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert caught.value.remedy
    return caught.value


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def store(folder):
    made = KeyStore.create(folder, PASSPHRASE, "demo")
    made.add_identity(NODE)
    made.add_identity(NODE, purpose="log")
    made.add_identity(POLICE)
    made.add_kem(POLICE, 10, 20)
    return made


def reopen(folder, passphrase=PASSPHRASE, env="demo"):
    return KeyStore.open(folder, passphrase, env)


# --- what a store gives -----------------------------------------------------------------------------


def test_what_was_made_is_there_again(store, folder):
    again = reopen(folder)
    assert again.principals() == {NODE, POLICE}
    assert again.signer(POLICE).public == store.signer(POLICE).public
    assert again.signer(POLICE).name == POLICE
    assert again.log_signer("E09000012").public != again.signer(NODE).public
    assert again.log_signer("E09000012").name == NODE
    assert [(key.since, key.until) for key in again.subkeys(POLICE)] == [(10, 20)]
    secret, ciphertext = kem.encapsulate(store.subkeys(POLICE)[0].public)
    opener = again.opener(POLICE)
    assert opener.principal == POLICE
    assert opener.decapsulate(opener.publics()[0], ciphertext) == secret


def test_opener_and_signer_are_made_once(store):
    assert store.opener(POLICE) is store.opener(POLICE)
    assert store.signer(POLICE) is store.signer(POLICE)


def test_a_new_subkey_is_opened_with_and_offered_first(store, folder):
    before = store.opener(POLICE).publics()
    new = store.add_kem(POLICE, 17, 27)
    for each in (store, reopen(folder)):
        assert list(each.opener(POLICE).publics()) == [new.public, *before]


def test_a_subkeys_number_is_never_used_for_another(store, folder):
    store.add_kem(POLICE, 17, 27)
    (folder / "E09000012.police.kem.1.key").unlink()
    later = reopen(folder).add_kem(POLICE, 24, 34)
    assert later.public in reopen(folder).opener(POLICE).publics()
    assert len(reopen(folder).subkeys(POLICE)) == 2


def test_a_role_may_hold_an_underscore(store, folder):
    made = store.add_identity(GILES)
    assert reopen(folder).signer(GILES).public == made.public


def test_root_and_directory_keys(store, folder):
    root, keeper = store.add_identity("root-1", purpose="root"), store.add_identity("d1", purpose="directory")
    again = reopen(folder)
    assert again.named_signer("root-1", "root").public == root.public
    assert again.named_signer("d1", "directory").public == keeper.public
    assert "root-1" not in again.principals()
    raises(Misconfigured, "key_missing", again.named_signer, "root-1", "directory")


def test_what_is_not_here(store):
    error = raises(Misconfigured, "key_missing", store.signer, GILES)
    assert GILES in error.message
    raises(Misconfigured, "key_missing", store.opener, NODE)
    raises(Misconfigured, "key_missing", store.log_signer, "E09000004")


def test_no_key_is_ever_overwritten(store, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    raises(Conflict, "key_exists", store.add_identity, POLICE)
    raises(Conflict, "key_exists", reopen(folder).add_identity, POLICE)
    raises(Conflict, "keys_exist", KeyStore.create, folder, PASSPHRASE, "demo")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "purpose"),
    [
        ("../police", "identity"),
        ("E09000012/../police", "identity"),
        ("E09000012/police\n", "log"),
        ("police", "identity"),
        ("../root", "root"),
        ("Root", "directory"),
        ("a.b", "root"),
        ("", "root"),
    ],
)
def test_a_name_cannot_leave_the_folder(store, folder, name, purpose):
    before = sorted(folder.parent.rglob("*"))
    raises(Misconfigured, "key_name", store.add_identity, name, purpose=purpose)
    assert sorted(folder.parent.rglob("*")) == before


@pytest.mark.parametrize("name", ["police", "E09000012/../x", "E09000012/police\n", "../E09000012/police"])
def test_a_subkey_belongs_to_a_principal(store, name):
    raises(Misconfigured, "key_name", store.add_kem, name, 1, 2)


@pytest.mark.parametrize("month", ["../2026-11", "2026-1", "2026-11\n", "2026/11", ""])
def test_an_epoch_is_a_month(store, month):
    raises(Misconfigured, "key_name", store.epoch, month)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "A", "x\n"])
def test_a_secret_has_a_plain_name(store, name):
    raises(Misconfigured, "key_name", store.secret, name)


# --- epochs and secrets -----------------------------------------------------------------------------


def test_epochs_and_secrets_are_made_once_and_stay(store, folder):
    november, december = store.epoch("2026-11", make=True), store.epoch("2026-12", make=True)
    secret = store.secret("idempotency")
    assert len({november.key(""), december.key(""), secret, store.secret("bodies")}) == 4
    assert len({november.index, december.index}) == 2
    for each in (store, reopen(folder)):
        assert each.epoch("2026-11") == november
        assert each.epoch("2026-11", make=True) == november
        assert each.secret("idempotency") == secret


def test_a_store_that_is_open_already_reads_what_another_made(store, folder):
    other = reopen(folder)
    assert other.epoch("2026-11", make=True) == store.epoch("2026-11")
    assert store.secret("idempotency") == other.secret("idempotency")


def test_what_was_lost_is_not_taken_for_what_was_destroyed(store, folder):
    """A month is begun only by whoever stores in it: whoever reads is told to look for the backup."""
    store.epoch("2026-11", make=True)
    (folder / "epoch.2026-11.key").unlink()
    for each in (store, reopen(folder)):
        assert "backup" in raises(Misconfigured, "epoch_missing", each.epoch, "2026-11").remedy
        raises(Misconfigured, "epoch_missing", each.puncture, "2026-11", ["00"])


def test_threads_that_race_get_one_key(store, folder):
    stores = [reopen(folder) for _ in range(4)]
    together, found = threading.Barrier(8), []

    def make(each):
        together.wait()
        found.append(each.epoch("2026-11", make=True).key(""))

    threads = [threading.Thread(target=make, args=(each,)) for each in stores * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert set(found) == {reopen(folder).epoch("2026-11").key("")}


def _make_epochs(folder, together, answer):
    mine = KeyStore.open(Path(folder), PASSPHRASE, "demo")
    together.wait(30)
    answer.put([mine.epoch(f"2026-{month:02}", make=True).key("") for month in range(1, 13)])


def test_processes_that_race_get_one_key(store, folder):
    context = multiprocessing.get_context("spawn")
    together, answer = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_make_epochs, args=(str(folder), together, answer)) for _ in "12"]
    for process in processes:
        process.start()
    one, two = answer.get(timeout=60), answer.get(timeout=60)
    for process in processes:
        process.join(30)
    assert one == two == [reopen(folder).epoch(f"2026-{month:02}").key("") for month in range(1, 13)]
    assert len(set(one)) == 12


def test_the_loser_reads_what_the_winner_wrote(store, folder, monkeypatch):
    """The interleaving itself: the other process writes after we looked and before we write."""
    winner, write = reopen(folder), keystore.write_private

    def late(path, data):
        monkeypatch.setattr(keystore.store, "write_private", write)
        winner.epoch("2026-11", make=True)
        write(path, data)

    monkeypatch.setattr(keystore.store, "write_private", late)
    assert store.epoch("2026-11", make=True) == winner.epoch("2026-11") == reopen(folder).epoch("2026-11")


def test_a_key_sealed_apart_is_not_guessed_at(store, folder, tmp_path):
    other = KeyStore.create(tmp_path / "other", PASSPHRASE, "demo")
    theirs = other.epoch("2026-11", make=True)
    (tmp_path / "other" / "epoch.2026-11.key").rename(folder / "epoch.2026-11.key")
    with pytest.raises(Misconfigured) as caught:
        store.epoch("2026-11", make=True)
    assert "restart" in caught.value.remedy
    assert reopen(folder).epoch("2026-11") == theirs


# --- passphrase, environment, cost ------------------------------------------------------------------


def test_a_wrong_passphrase(store, folder):
    error = raises(Misconfigured, "key_file", reopen, folder, b"other words")
    assert "passphrase" in error.remedy
    assert "other words" not in f"{error} {error.remedy}"


def test_an_empty_passphrase(folder):
    raises(Misconfigured, "no_passphrase", KeyStore.create, folder, b"", "demo")
    assert not folder.exists()


def test_production_refuses_demo_keys_and_the_other_way_round(store, folder, tmp_path):
    error = raises(Misconfigured, "key_environment", reopen, folder, env="prod")
    assert "gateway init" in error.remedy
    assert ".key" in error.message, "the file is named"
    production = tmp_path / "production"
    KeyStore.create(production, PASSPHRASE, "prod").add_identity(POLICE)
    raises(Misconfigured, "key_environment", reopen, production, env="demo")
    assert reopen(production, env="prod").principals() == {POLICE}


def test_production_keys_are_dear(folder):
    raises(Misconfigured, "key_cost", KeyStore.create, folder, PASSPHRASE, "prod", cost=CHEAP)
    raises(Misconfigured, "key_cost", KeyStore.create, folder, PASSPHRASE, "demo", cost=Cost(1, 1 << 40))
    assert not folder.exists()


def test_the_slow_step_is_done_once(store, folder, monkeypatch):
    store.epoch("2026-11", make=True)
    asked = []
    derive = keys.derive

    def counting(*args):
        asked.append(args)
        return derive(*args)

    monkeypatch.setattr(keystore.store, "derive", counting)
    again = reopen(folder)
    again.epoch("2026-12", make=True)
    again.add_kem(POLICE, 17, 27)
    assert len(asked) == 1


@pytest.mark.parametrize("absent", [True, False])
def test_no_keys(folder, absent):
    if not absent:
        folder.mkdir()
    assert "gateway init" in raises(Misconfigured, "no_keys", reopen, folder).remedy


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b"\xff" * 70_000])
def test_a_broken_file_is_named(store, folder, content):
    write_private(folder / "broken.key", content)
    with pytest.raises(Misconfigured) as caught:
        reopen(folder)
    assert caught.value.message.startswith("broken.key: ")
    assert caught.value.remedy


# --- files ------------------------------------------------------------------------------------------


def test_files_and_folder_are_the_owners_alone(store, folder):
    store.epoch("2026-11", make=True)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert all(path.name.endswith(".key") for path in folder.iterdir()), "nothing is left lying aside"


def test_the_mode_does_not_depend_on_the_umask(store, folder):
    before = os.umask(0)
    try:
        store.epoch("2026-11", make=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "epoch.2026-11.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o610, 0o601, 0o666])
def test_a_file_that_others_can_touch_is_refused(store, folder, mode):
    path = folder / "E09000012.police.identity.key"
    path.chmod(mode)
    assert raises(Misconfigured, "key_mode", reopen, folder).remedy == f"chmod 600 {path}"


def test_a_file_that_only_its_owner_reads_is_fine(store, folder):
    (folder / "E09000012.police.identity.key").chmod(0o400)
    assert reopen(folder).principals() == {NODE, POLICE}


def test_a_link_is_refused(store, folder, tmp_path):
    path = folder / "E09000012.police.identity.key"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    raises(Misconfigured, "key_unreadable", reopen, folder)


@pytest.mark.timeout(10)
def test_a_pipe_does_not_hang_the_start(store, folder):
    os.mkfifo(folder / "pipe.key", 0o600)
    raises(Misconfigured, "key_mode", reopen, folder)


def test_a_link_in_the_place_of_a_new_key_is_not_followed(store, folder, tmp_path):
    (folder / "epoch.2026-11.key").symlink_to(tmp_path / "elsewhere")
    raises(Misconfigured, "key_unreadable", store.epoch, "2026-11", make=True)
    assert not (tmp_path / "elsewhere").exists()


def test_a_write_that_fails_leaves_nothing(folder, monkeypatch):
    folder.mkdir()

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(folder / "a.key", b"data")
    assert list(folder.iterdir()) == []


def test_a_disk_that_is_full_is_worth_another_try(store, folder, monkeypatch):
    before = sorted(folder.iterdir())

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    error = raises(Unavailable, "key_unwritable", store.epoch, "2026-11", make=True)
    assert "No space" in error.message
    monkeypatch.undo()
    assert sorted(folder.iterdir()) == before
    assert len(store.epoch("2026-11", make=True).key("")) == 32, "and it works when there is space again"


def test_writing_is_durable_before_it_is_visible(folder, monkeypatch):
    folder.mkdir()
    done = []
    fsync, link = os.fsync, os.link
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(os, "link", lambda *args: (done.append("link"), link(*args))[1])
    write_private(folder / "a.key", b"data")
    assert done == ["fsync", "link", "fsync"], "the file, its name, the folder that holds the name"
    with pytest.raises(FileExistsError):
        write_private(folder / "a.key", b"other")
    assert read_private(folder / "a.key") == b"data"


# --- secrets stay inside ----------------------------------------------------------------------------


def test_nothing_is_shown_and_nothing_serialised(store, folder):
    secret, seed = store.secret("idempotency"), store.signer(POLICE).seed
    shown = f"{store!r} {store.names()!r} {store.signer(POLICE)!r} {store.opener(POLICE)!r}"
    shown += f"{store.subkeys(POLICE)!r}"
    for hidden in (secret, seed, store.subkeys(POLICE)[0].seed, PASSPHRASE):
        assert repr(hidden)[2:-1] not in shown
        assert hidden.hex() not in shown
    with pytest.raises(TypeError):
        pickle.dumps(store)


def test_no_secret_is_on_disk_in_clear(store, folder):
    secret, seed = store.secret("idempotency"), store.signer(POLICE).seed
    for path in folder.iterdir():
        data = path.read_bytes()
        assert secret not in data
        assert seed not in data
        assert json.loads(data)["env"] == "demo"


# --- passphrase -------------------------------------------------------------------------------------


def private(path, content, mode=0o600):
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_credential_goes_before_a_file_before_a_prompt(tmp_path):
    file, credentials = private(tmp_path / "file", b"of the file\n"), tmp_path / "credentials"
    credentials.mkdir()

    def prompt():
        return "typed"

    assert read_passphrase(file=file, credentials=credentials, prompt=prompt) == b"of the file"
    private(credentials / CREDENTIAL, b"of systemd\n", 0o440)
    assert read_passphrase(file=file, credentials=credentials, prompt=prompt) == b"of systemd"
    assert read_passphrase(prompt=prompt) == b"typed"
    assert read_passphrase(file=file, prompt=prompt) == b"of the file"


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (b"a b\n", b"a b"),
        (b" a \r\n", b" a "),
        (b"a\n\n", b"a\n"),
        (b"a", b"a"),
        ("ü\n".encode(), "ü".encode()),
    ],
)
def test_one_newline_belongs_to_the_file(tmp_path, content, read):
    assert read_passphrase(file=private(tmp_path / "file", content)) == read


@pytest.mark.parametrize("mode", [0o640, 0o644, 0o604])
def test_a_secret_file_that_others_can_read_is_refused(tmp_path, mode):
    file = private(tmp_path / "file", b"words", mode)
    assert raises(Misconfigured, "key_mode", read_passphrase, file=file).remedy == f"chmod 600 {file}"


def test_a_mounted_secret_is_reached_through_its_links(tmp_path):
    (tmp_path / "..data").mkdir()
    target = private(tmp_path / "..data" / "file", b"words")
    link = tmp_path / "file"
    link.symlink_to(target)
    assert read_passphrase(file=link) == b"words"
    target.chmod(0o644)
    raises(Misconfigured, "key_mode", read_passphrase, file=link)


def test_a_missing_file_is_not_passed_over(tmp_path):
    raises(Misconfigured, "key_unreadable", read_passphrase, file=tmp_path / "none", prompt=lambda: "typed")


def test_no_passphrase_anywhere(monkeypatch, tmp_path):
    monkeypatch.setenv("GATEWAY_PASSPHRASE", "from the environment")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    private(tmp_path / CREDENTIAL, b"not asked for")
    monkeypatch.setattr("sys.stdin", io.StringIO("typed by nobody"))
    error = raises(Misconfigured, "no_passphrase", read_passphrase)
    assert error.field == "/keys/passphrase_file"


def test_a_mounted_secret_is_taken_with_the_modes_its_runtime_gave_it(monkeypatch, tmp_path):
    monkeypatch.setattr("gateway.keystore.passphrase.MOUNTED", tmp_path / "run")
    (tmp_path / "run").mkdir()
    for place in ("run/secret", "elsewhere"):
        (tmp_path / place).write_bytes(b"a long enough passphrase\n")
        (tmp_path / place).chmod(0o444)
    assert read_passphrase(file=tmp_path / "run" / "secret") == b"a long enough passphrase"
    with pytest.raises(Misconfigured) as refused:
        read_passphrase(file=tmp_path / "elsewhere")
    assert refused.value.code == "key_mode"
    with pytest.raises(Misconfigured) as missing:
        read_passphrase(file=tmp_path / "run" / "nothing")
    assert missing.value.field == "/keys/passphrase_file"


# --- epochs that lose keys --------------------------------------------------------------------------

GONE, STAYS, FILE = "0123456789abcdef", "f" * 16, "epoch.2026-11.key"


def lost(epoch, path):
    with pytest.raises(NotFound) as caught:
        epoch.key(path)
    return caught.value.code == "shredded"


def test_a_puncture_is_durable_and_takes_one_key_alone(store, folder):
    before = store.epoch("2026-11", make=True)
    other = reopen(folder)
    assert other.epoch("2026-11") == before
    store.puncture("2026-11", [GONE])
    for each in (store, other, reopen(folder)):
        after = each.epoch("2026-11")
        assert lost(after, GONE)
        assert after.key(STAYS) == before.key(STAYS)
        assert "" not in after.nodes


def test_a_process_that_runs_notices_without_being_told(store, folder):
    """Also several changes within one tick of the clock, and a file that takes a freed inode."""
    other = reopen(folder)
    store.epoch("2026-11", make=True)
    for number in range(50):
        other.epoch("2026-11")
        store.puncture("2026-11", [f"{number:016x}"])
        assert lost(other.epoch("2026-11"), f"{number:016x}")


def test_what_is_not_changed_is_read_once(store, monkeypatch):
    store.epoch("2026-11", make=True)
    store.epoch("2026-11")
    monkeypatch.setattr(keystore.store, "read_private", lambda *_, **__: pytest.fail("read again"))
    assert store.epoch("2026-11", make=True).key(STAYS)


def test_nothing_of_a_punctured_key_stays_in_the_file_or_the_store(store, folder):
    root = store.epoch("2026-11", make=True).key("")
    store.puncture("2026-11", [GONE])
    assert root not in store.epoch("2026-11").nodes.values()
    assert [file.secret for file in store.names().values() if file.purpose == "epoch"] == [b""]
    assert [file.secret for file in reopen(folder).names().values() if file.purpose == "epoch"] == [b""]
    assert root not in keys.open_key_file((folder / FILE).read_bytes(), store._key).secret


def test_a_destroyed_epoch_is_never_made_again(store, folder):
    old = store.epoch("2026-11", make=True)
    store.destroy_epoch("2026-11")
    store.destroy_epoch("2026-11")
    for each in (store, reopen(folder)):
        assert each.epoch("2026-11", make=True).destroyed
        assert lost(each.epoch("2026-11"), STAYS)
    store.puncture("2026-11", [GONE])
    assert store.epoch("2026-11").destroyed
    assert old.key(STAYS) not in (folder / FILE).read_bytes()


def test_a_month_without_an_epoch_can_be_destroyed_before_it_has_one(store, folder):
    store.destroy_epoch("2026-11")
    assert reopen(folder).epoch("2026-11", make=True).destroyed


def test_compaction_forgets_what_is_not_needed_when_it_is_worth_it(store, monkeypatch):
    store.epoch("2026-11", make=True)
    live = [f"{number:x}" * 16 for number in range(16)]
    store.puncture("2026-11", [GONE])
    before = store.epoch("2026-11")
    store.compact_epoch("2026-11", live)
    assert store.epoch("2026-11") == before, "a small file is left alone"
    monkeypatch.setattr(keystore.store, "SHORT", 10)
    store.compact_epoch("2026-11", live)
    after = store.epoch("2026-11")
    assert len(after.nodes) == 16
    assert all(after.key(path) == before.key(path) for path in live)
    assert lost(after, GONE)


def _puncture(folder, together, mine):
    keys_ = KeyStore.open(Path(folder), PASSPHRASE, "demo")
    together.wait(30)
    for number in range(20):
        keys_.puncture("2026-11", [f"{mine}{number:015x}"])


def test_processes_that_puncture_at_once_lose_none(store, folder):
    store.epoch("2026-11", make=True)
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    processes = [context.Process(target=_puncture, args=(str(folder), together, mine)) for mine in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    left = store.epoch("2026-11")
    assert all(lost(left, f"{mine}{number:015x}") for mine in "ab" for number in range(20))
    assert left.key("c" * 16)


def test_a_puncture_that_cannot_be_written_changes_nothing(store, folder, monkeypatch):
    before = store.epoch("2026-11", make=True)
    files = sorted(folder.iterdir())

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    error = raises(Unavailable, "key_unwritable", store.puncture, "2026-11", [GONE])
    assert "No space" in error.message
    monkeypatch.undo()
    assert sorted(folder.iterdir()) == files
    assert store.epoch("2026-11") == reopen(folder).epoch("2026-11") == before


def test_the_new_file_is_durable_before_it_takes_the_place_of_the_old(store, folder, monkeypatch):
    store.epoch("2026-11", make=True)
    done = []
    fsync, replace_ = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda *args: (done.append("replace"), replace_(*args))[1])
    store.puncture("2026-11", [GONE])
    assert done == ["fsync", "replace", "fsync"], "the file, its name, the folder that holds the name"
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    done.clear()
    store.puncture("2026-11", [GONE])
    assert done == [], "what is gone already is not written again"


def test_an_epoch_grows_only_so_far(store, monkeypatch):
    store.epoch("2026-11", make=True)
    monkeypatch.setattr(keystore.store, "LONGEST_EPOCH", 2000)
    raises(Conflict, "epoch_full", store.puncture, "2026-11", [GONE])
    assert store.epoch("2026-11").key(GONE)


def test_an_epoch_larger_than_other_key_files_is_read(store, folder):
    store.epoch("2026-11", make=True)
    store.puncture("2026-11", [f"{number:x}{number:015x}" for number in range(16)])
    assert (folder / FILE).stat().st_size > keystore.LONGEST
    assert lost(reopen(folder).epoch("2026-11"), "0" * 16)


def test_an_epoch_of_an_earlier_build_is_named(store, folder):
    store._write(FILE, keys.KeyFile("2026-11", "epoch", "demo", bytes(32)))
    error = raises(Misconfigured, "epoch_form", store.epoch, "2026-11")
    assert FILE in error.message


@pytest.mark.parametrize("call", ["puncture", "compact_epoch"])
def test_a_month_is_a_month_for_every_call(store, call):
    raises(Misconfigured, "key_name", getattr(store, call), "../2026-11", [])
    raises(Misconfigured, "key_name", store.destroy_epoch, "../2026-11")
