"""How a run stands when nobody has closed it."""

import os
import socket
import time

from lowtide.runtime.views import read_view
from lowtide.stores.ledger import Ledger
from lowtide.testing.builders import make_header


def status_of(tmp_path, **changes):
    ledger = Ledger(str(tmp_path / "ledger"))
    header = make_header(**changes)
    ledger.create(header)
    return ledger, header, lambda: read_view(ledger, header.run_id).status


def test_run_with_its_journal_here_is_running(tmp_path):
    _, _, status = status_of(tmp_path, host=socket.gethostname(), journal_dir=str(tmp_path))
    assert status() == "running"


def test_run_whose_journal_is_gone_is_incomplete(tmp_path):
    _, _, status = status_of(tmp_path, host=socket.gethostname(), journal_dir=str(tmp_path / "gone"))
    assert status() == "incomplete"


def test_run_of_another_node_is_incomplete_once_it_is_silent_for_ten_minutes(tmp_path):
    ledger, header, status = status_of(tmp_path, host="another-node", journal_dir=str(tmp_path / "gone"))
    assert status() == "running"
    long_ago = time.time() - 700
    for path in (ledger.segments_dir(header.run_id), ledger.run_dir(header.run_id)):
        os.utime(path, (long_ago, long_ago))
    assert status() == "incomplete"
