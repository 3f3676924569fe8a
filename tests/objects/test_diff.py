from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from hakeep.objects.diff import Add, Change, Remove, Replace, diff, differences

KEYS = st.sampled_from("abcdefgh")
TABLES = st.dictionaries(KEYS, st.integers(0, 3))


def apply(kernel: dict[str, int], changes: list[Change[str, int]]) -> dict[str, int]:
    """A kernel that refuses what makes no sense."""
    after = dict(kernel)
    for change in changes:
        match change:
            case Add():
                assert change.key not in after
                after[change.key] = change.wanted
            case Remove():
                assert after.pop(change.key) == change.have
            case Replace():
                assert after[change.key] == change.have
                after[change.key] = change.wanted
    return after


@given(TABLES, TABLES)
def test_applying_the_diff_gives_what_is_wanted(have: dict[str, int], wanted: dict[str, int]) -> None:
    assert apply(have, diff(have, wanted)) == wanted


@given(TABLES, TABLES, TABLES)
def test_nothing_that_is_not_ours_is_touched(
    kernel: dict[str, int], ours_before: dict[str, int], wanted: dict[str, int]
) -> None:
    ours = set(ours_before) | set(wanted)
    have = {key: value for key, value in kernel.items() if key in ours}
    after = apply(kernel, diff(have, wanted))
    assert {key: value for key, value in after.items() if key not in ours} == {
        key: value for key, value in kernel.items() if key not in ours
    }
    assert {key: value for key, value in after.items() if key in ours} == wanted


@given(TABLES, TABLES)
def test_what_is_right_is_left_alone(have: dict[str, int], wanted: dict[str, int]) -> None:
    touched = [change.key for change in diff(have, wanted)]
    assert len(touched) == len(set(touched))
    assert not {key for key in have if wanted.get(key) == have[key]} & set(touched)
    assert diff(wanted, wanted) == []


@given(TABLES, TABLES)
def test_removals_come_first_last_made_first_and_additions_as_wanted(
    have: dict[str, int], wanted: dict[str, int]
) -> None:
    changes = diff(have, wanted)
    removals = [change.key for change in changes if isinstance(change, Remove)]
    rest = [change.key for change in changes if not isinstance(change, Remove)]
    assert [change.key for change in changes] == removals + rest
    assert removals == [key for key in reversed(have) if key not in wanted]
    assert rest == [key for key in wanted if key in rest]


def test_what_will_do_is_said_by_the_caller() -> None:
    have, wanted = {"a": 10, "b": 10}, {"a": 11, "b": 20}
    assert diff(have, wanted, same=lambda x, y: x // 10 == y // 10) == [Replace("b", 10, 20)]


def test_a_change_says_all_there_is_to_know() -> None:
    assert diff({"gone": 1, "other": 2}, {"new": 3, "other": 4}) == [
        Remove("gone", 1),
        Add("new", 3),
        Replace("other", 2, 4),
    ]


def test_the_first_difference_is_there_before_the_second_is_thought_of() -> None:
    asked: list[int] = []

    def wishes() -> Iterator[tuple[int, str]]:
        for key in (1, 2):
            asked.append(key)
            yield key, "a"

    found = differences({9: "z"}, {1, 2}, wishes())
    assert next(found) == Remove(9, "z")
    assert asked == []
    assert next(found) == Add(1, "a")
    assert asked == [1]
    assert list(found) == [Add(2, "a")]
