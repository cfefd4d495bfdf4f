"""Every reason has a problem, every problem a status that fits."""

from veritape.gateway.reasons import CAPACITY_TYPE, PROBLEMS, QUOTA_REASONS, QUOTA_TYPE, Reason, problem_type


def test_every_reason_has_status_title_and_advice() -> None:
    """GW-507: the enum and the table name the same reasons."""
    assert set(PROBLEMS) == set(Reason)
    assert all(problem.title and problem.advice.endswith(".") for problem in PROBLEMS.values())


def test_quota_denials_have_the_registered_type_and_429() -> None:
    """GW-507, GW-381: quota denials and overload carry the draft's types, everything else a page of ours."""
    too_many = {reason for reason in Reason if PROBLEMS[reason].status == 429}
    assert too_many == QUOTA_REASONS | {Reason.TOO_MANY_FAILURES}
    for reason in Reason:
        expected = QUOTA_TYPE if reason in QUOTA_REASONS else f"/problems/{reason.value}"
        assert problem_type(reason) == (CAPACITY_TYPE if reason is Reason.OVERLOADED else expected)
