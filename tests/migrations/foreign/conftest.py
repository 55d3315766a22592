import pytest

from places import Lender
from startupctl.check import Mode
from support import make_run


@pytest.fixture
def preparing(services, tmp_path):
    """A run that may change something, on a database whose lock nobody else wants."""
    services.locks = Lender()
    return make_run(seconds=30, mode=Mode.PREPARE, folder=tmp_path, services=services)


@pytest.fixture
def put(tmp_path):
    """Write migration files, in folders where their names have any."""
    folder = tmp_path / "migrations"

    def written(files):
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        return folder

    return written


@pytest.fixture
def counts():
    """Return what a run counted, without the names of the lock."""
    return lambda facts: (facts["migrations"]["adopted"], facts["migrations"]["applied"])
