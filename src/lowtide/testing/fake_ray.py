"""The Jobs interface of a Ray dashboard on loopback, with jobs that do their work as a clock goes, and faults."""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, Literal

from lowtide.testing.loopback import LoopbackServer
from lowtide.units import ns_from_s

__all__ = ["FakeRay"]

Fault = Literal["before", "after"]
_ENDED: Final = ("SUCCEEDED", "FAILED", "STOPPED")
_KNOWN: Final = frozenset(
    ("entrypoint", "submission_id", "runtime_env", "metadata", "entrypoint_num_cpus", "entrypoint_num_gpus",
     "entrypoint_memory", "entrypoint_resources", "entrypoint_label_selector", "job_id")
)  # fmt: skip
_MESSAGES: Final = {
    "PENDING": "Job has not started yet.",
    "RUNNING": "Job is currently running.",
    "STOPPED": "Job was intentionally stopped.",
    "SUCCEEDED": "Job finished successfully.",
}


@dataclass(slots=True)
class _Job:
    """One submission."""

    body: dict[str, Any]
    submitted_ns: int
    begin_ns: int
    work_ns: int
    exit_code: int
    stop_ns: int | None = None
    end_ns: int | None = None
    status: str = "PENDING"
    saved_ns: int = field(default=0)


class FakeRay:
    """A dashboard; a context manager.

    A job's entrypoint is ``work SECONDS [exit STATUS]``; any other never ends. It saves when it is stopped, and goes
    on from that where ``LOWTIDE_RESUME`` is 1 and its tag is the same.

    Parameters
    ----------
    clock : callable, optional
        Returns the time [ns]; by default the wall clock.
    start_s : float
        From submission to running [s].
    stop_s : float
        What a job takes to end when it is asked to [s]; Ray kills it after 3 s.
    token : str, optional
        Asked for in each request.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], int] = time.time_ns,
        start_s: float = 0.0,
        stop_s: float = 0.0,
        token: str = "",
    ) -> None:
        self._clock, self._token = clock, token
        self._start_ns, self._stop_ns = ns_from_s(start_s), ns_from_s(min(stop_s, 3.0))
        self._lock = threading.RLock()
        self._jobs: dict[str, _Job] = {}
        self._faults: deque[Fault] = deque()
        self._server = LoopbackServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def __enter__(self) -> FakeRay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def break_next(self, fault: Fault) -> None:
        """Let the next POST, and no other, fail: nothing is done, or it is and the connection is closed."""
        self._faults.clear()
        self._faults.append(fault)

    def forget(self) -> None:
        """Lose all jobs, as a head without a store of its own does when it is started anew."""
        with self._lock:
            self._jobs.clear()

    def finish(self, tag: str) -> None:
        """Let the running go of a tag succeed now."""
        with self._lock:
            self._sync()
            for job in self._of(tag):
                if job.status == "RUNNING":
                    job.status, job.end_ns = "SUCCEEDED", self._clock()

    def runs_ns(self, tag: str) -> list[tuple[int, int]]:
        """Return when the goes of a tag ran [ns]."""
        with self._lock:
            self._sync()
            now_ns = self._clock()
            spans = [(job.begin_ns, now_ns if job.end_ns is None else job.end_ns) for job in self._of(tag)]
            return [(a, b) for a, b in spans if b > a]

    def most_at_once(self, tag: str) -> int:
        """Return how many goes of a tag ran at once at most."""
        spans = self.runs_ns(tag)
        return max((sum(a <= t < b for a, b in spans) for t, _ in spans), default=0)

    def environments(self, tag: str) -> list[dict[str, str]]:
        """Return the variables each go of a tag was given."""
        return [dict((job.body.get("runtime_env") or {}).get("env_vars") or {}) for job in self._of(tag)]

    def _of(self, tag: str) -> list[_Job]:
        return [
            job for job in self._jobs.values() if (job.body.get("metadata") or {}).get("lowtide.tag") == tag
        ]

    def _sync(self) -> None:
        """Bring all jobs to where they are now."""
        now_ns = self._clock()
        for job in self._jobs.values():
            if job.status in _ENDED:
                continue
            done_ns = job.begin_ns + job.work_ns - job.saved_ns
            end_ns = done_ns if job.stop_ns is None else min(done_ns, job.stop_ns + self._stop_ns)
            if now_ns >= max(
                end_ns, job.begin_ns
            ):  # one that is stopped while it waits ends when its turn comes
                job.end_ns = max(end_ns, job.begin_ns)
                stopped = job.stop_ns is not None and end_ns < done_ns
                job.status = "STOPPED" if stopped else "FAILED" if job.exit_code else "SUCCEEDED"
            elif now_ns >= job.begin_ns:
                job.status = "RUNNING"

    def _submit(self, body: Any) -> dict[str, str]:
        if not isinstance(body, dict) or not isinstance(body.get("entrypoint"), str) or set(body) - _KNOWN:
            raise TypeError("JobSubmitRequest got something it does not know, or no entrypoint")
        submission_id = str(body.get("submission_id"))
        if submission_id in self._jobs:
            raise ValueError(
                f"Job with submission_id {submission_id} already exists. Please use a different submission_id."
            )
        words, now_ns = body["entrypoint"].split(), self._clock()
        works = len(words) in (2, 4) and words[0] == "work"
        env = (body.get("runtime_env") or {}).get("env_vars") or {}
        tag = str((body.get("metadata") or {}).get("lowtide.tag"))
        done = (
            [job for job in self._of(tag) if job.end_ns is not None]
            if env.get("LOWTIDE_RESUME") == "1"
            else []
        )
        self._jobs[submission_id] = _Job(
            body=body,
            submitted_ns=now_ns,
            begin_ns=now_ns + self._start_ns,
            work_ns=ns_from_s(float(words[1])) if works else 1 << 62,
            exit_code=int(words[3]) if works and len(words) == 4 else 0,
            saved_ns=sum(max(0, (job.stop_ns or job.begin_ns) - job.begin_ns) for job in done),
        )
        return {"job_id": submission_id, "submission_id": submission_id}

    def _plain(self, name: str) -> dict[str, Any]:
        job = self._jobs[name]
        code = {"SUCCEEDED": 0, "FAILED": job.exit_code}.get(job.status)
        failed = f"Job entrypoint command failed with exit code {job.exit_code}, last available logs:\n..."
        return {
            "type": "SUBMISSION", "job_id": None, "submission_id": name, "driver_info": None, "status": job.status,
            "entrypoint": job.body["entrypoint"], "message": _MESSAGES.get(job.status, failed),
            "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR" if job.status == "FAILED" else None,
            "start_time": job.submitted_ns // 10**6, "end_time": None if job.end_ns is None else job.end_ns // 10**6,
            "metadata": job.body.get("metadata"), "runtime_env": job.body.get("runtime_env"),
            "driver_agent_http_address": None, "driver_node_id": None, "driver_exit_code": code,
        }  # fmt: skip

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        with self._lock:
            self._sync()
            _, _, what, *rest = [*path.strip("/").split("/"), "", "", ""]
            if method == "POST" and not what:
                return 200, self._submit(body)
            if method == "GET" and not what:
                return 200, [self._plain(name) for name in self._jobs]
            if what not in self._jobs:
                return 404, f"Job {what} does not exist"
            if method == "POST" and rest[0] == "stop":
                job = self._jobs[what]
                may = job.status not in _ENDED
                if may and job.stop_ns is None:
                    job.stop_ns = self._clock()
                self._sync()
                return 200, {"stopped": may}
            return 200, self._plain(what)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        ray = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = ray._faults.popleft() if self.command == "POST" and ray._faults else None
                status, found = self._found(data, fault)
                if fault == "after":
                    self.close_connection = True
                    return
                reply = (found if isinstance(found, str) else json.dumps(found)).encode()
                self.send_response(status)
                self.send_header(
                    "Content-Type", "text/plain" if isinstance(found, str) else "application/json"
                )
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_POST = _serve  # noqa: N815

            def _found(self, data: bytes, fault: Fault | None) -> tuple[int, Any]:
                if ray._token and self.headers.get("Authorization") != f"Bearer {ray._token}":
                    return 401, "Unauthorized: Missing authentication token"
                if fault == "before":
                    return 503, "Service Unavailable"
                try:
                    return ray._answer(self.command, self.path, json.loads(data) if data else None)
                except TypeError:
                    return 400, traceback.format_exc()
                except ValueError:
                    return 500, f"{traceback.format_exc()}.\n"

            def log_message(self, *_: Any) -> None:
                return

        return Handler
