"""Holes, duplicates, disorder and changing steps in intensity files."""

from __future__ import annotations

import numpy as np
import pytest
from grid_reading import HOUR_NS, LONG, WIDE, hours, statuses, values

from lowtide.errors import DataFileError
from lowtide.grid.files import read_intensity, read_intensity_table


class TestHolesAndDuplicates:
    def test_hole_becomes_one_unknown_step(self, write):
        # 01:00 to 04:00 lacks the stamps 02:00 and 03:00
        text = "ts_utc,DE\n" + "".join(f"2026-03-01T{h:02}:00Z,{h}\n" for h in (0, 1, 4, 5))
        table = read_intensity_table(write(text))
        assert values(table.series["DE"]) == [0.0, 1.0, None, 4.0, 5.0]
        assert hours(table.series["DE"]) == [0, 1, 2, 4, 5, 6]
        notes = table.notes["DE"]
        assert (notes.n_rows, notes.n_missing_steps, notes.n_duplicates, notes.step_s) == (4, 2, 0, 3600.0)

    @pytest.mark.parametrize("empty", ["", "nan", "NaN", "null", "None", "N/A", " "])
    def test_empty_cells_are_unknown(self, write, empty):
        path = write(f"ts_utc,DE,FR\n2026-03-01T00:00Z,{empty},1\n2026-03-01T01:00Z,2,{empty}\n")
        table = read_intensity_table(path)
        assert values(table.series["DE"]) == [None, 2.0]
        assert values(table.series["FR"]) == [1.0, None]
        assert (table.notes["DE"].n_rows, table.notes["DE"].n_missing_steps) == (1, 1)

    def test_duplicates_that_agree_are_merged(self, write):
        text = "ts_utc,DE\n2026-03-01T00:00Z,5\n2026-03-01T01:00Z,6\n2026-03-01T01:00Z,6.0\n2026-03-01T02:00Z,7\n"
        table = read_intensity_table(write(text))
        assert values(table.series["DE"]) == [5.0, 6.0, 7.0]
        assert (table.notes["DE"].n_rows, table.notes["DE"].n_duplicates) == (4, 1)

    def test_a_value_fills_an_empty_duplicate(self, write):
        text = "ts_utc,DE\n2026-03-01T00:00Z,\n2026-03-01T00:00Z,5\n2026-03-01T01:00Z,6\n"
        assert values(read_intensity(write(text))) == [5.0, 6.0]

    def test_duplicates_that_disagree(self, write):
        text = (
            "ts_utc,zone,value\n2026-03-01T00:00Z,DE,5\n2026-03-01T01:00Z,DE,6\n2026-03-01T01:00+00:00,DE,8\n"
        )
        with pytest.raises(DataFileError) as caught:
            read_intensity(write(text))
        assert "line 4, column 3: value: 2026-03-01T01:00:00.000000Z of DE is 8 here and 6 in line 3" in str(
            caught.value
        )
        assert (caught.value.line, caught.value.column) == (4, 3)

    def test_agreeing_duplicates_keep_the_better_status(self, write):
        text = (
            "ts_utc,zone,value,estimated\n2026-03-01T00:00Z,DE,5,true\n2026-03-01T00:00Z,DE,5,false\n"
            "2026-03-01T01:00Z,DE,6,true\n"
        )
        assert statuses(read_intensity(write(text))) == ["measured", "estimated"]

    def test_disorder_is_sorted(self, write):
        text = "ts_utc,zone,value\n" + "".join(f"2026-03-01T{h:02}:00Z,DE,{h}\n" for h in (2, 0, 1))
        assert values(read_intensity(write(text))) == [0.0, 1.0, 2.0]

    def test_half_hours_then_quarter_hours(self, write):
        minutes = [0, 30, 60, 90, 120, 135, 150, 180, 195, 210]  # 165 is missing
        text = "ts_utc,GB\n" + "".join(f"2026-03-01T{m // 60:02}:{m % 60:02}Z,{m}\n" for m in minutes)
        table = read_intensity_table(write(text))
        series, notes = table.series["GB"], table.notes["GB"]
        assert [60 * h for h in hours(series)] == [0, 30, 60, 90, 120, 135, 150, 165, 180, 195, 210, 225]
        assert values(series)[7] is None
        assert (notes.n_missing_steps, notes.n_step_changes) == (1, 1)

    def test_offsets_that_cross_daylight_saving_sort_right(self, write):
        # Berlin, 2026-10-25: 02:00 comes twice, as +02:00 (00:00Z) and +01:00 (01:00Z)
        text = (
            "datetime,DE\n2026-10-25T01:00+02:00,1\n2026-10-25T02:00+02:00,2\n"
            "2026-10-25T02:00+01:00,3\n2026-10-25T03:00+01:00,4\n"
        )
        table = read_intensity_table(write(text))
        assert values(table.series["DE"]) == [1.0, 2.0, 3.0, 4.0]
        assert table.notes["DE"].n_missing_steps == 0
        assert np.diff(table.series["DE"].edges_ns).tolist() == [HOUR_NS] * 4

    def test_months_are_steps_not_holes(self, write):
        text = "ts_utc,DE\n" + "".join(f"2025-{m:02}-01,{m}\n" for m in range(1, 13))
        table = read_intensity_table(write(text))
        assert table.notes["DE"].n_missing_steps == 0
        assert len(values(table.series["DE"])) == 12

    def test_one_row_only(self, write):
        with pytest.raises(DataFileError, match="one row only, so the length of its step is unknown"):
            read_intensity(write("ts_utc,DE\n2026-03-01T00:00Z,1\n"))

    def test_zone_with_one_row_has_the_step_of_the_others(self, write):
        path = write(LONG + "2026-03-01T01:00Z,PL,700\n")
        for series in (read_intensity(path, zone="PL"), read_intensity_table(path).series["PL"]):
            assert hours(series) == [1, 2]
            assert values(series) == [700.0]

    def test_negative_marginal_values_are_data(self, write):
        text = "ts_utc,moer_g_per_kwh\n2026-03-01T00:00Z,-12.5\n2026-03-01T01:00Z,3\n"
        assert values(read_intensity(write(text))) == [-12.5, 3.0]

    @pytest.mark.parametrize("text", [WIDE.replace("310", "-310"), LONG.replace("310", "-310")])
    def test_negative_average_is_refused_with_its_line(self, write, text):
        with pytest.raises(
            DataFileError, match=r"-310 g/kWh is negative, .* for marginal rates pass --basis marginal"
        ) as caught:
            read_intensity(write(text), zone="DE")
        assert caught.value.line == (3 if "FR\n" in text else 4)
        assert values(read_intensity(write(text), zone="DE", basis="marginal"))[1] == -310.0
