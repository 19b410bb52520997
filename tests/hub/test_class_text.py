"""A job carries its class only where the class does not follow from kind and version."""

from __future__ import annotations

import pytest

from corral_hub import jobs
from corral_hub.requests import SubmitRequest, class_text, to_run


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (SubmitRequest("w"), False),
        (SubmitRequest("w", workflow_version=3), False),
        (SubmitRequest("w", kind="gpu", version=2), False),
        (SubmitRequest("w", tags=["zone=a"]), True),
        (SubmitRequest("w", vram_mb=100), True),
    ],
)
def test_the_class_of_a_job_is_that_of_its_run(request_: SubmitRequest, said: bool) -> None:
    run = to_run(request_, 1000, 1000)
    job = jobs.decode(run.job)
    assert bool(job.class_json) is said
    assert class_text(job) == run.class_json
