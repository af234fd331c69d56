"""The forms of intensity files, recognised without being told."""

from __future__ import annotations

import numpy as np
import pytest
from grid_reading import LONG, WIDE, hours, statuses, values

from lowtide.errors import DataFileError
from lowtide.grid.files import read_intensity, read_intensity_table


class TestForms:
    def test_wide(self, write):
        table = read_intensity_table(write(WIDE))
        assert table.zones == ("DE", "FR")
        assert values(table.series["FR"]) == [40.0, 50.5, 60.0]
        assert hours(table.series["FR"]) == [0, 1, 2, 3]  # the last step is as long as the others
        signal = table.series["FR"].signal
        assert (signal.zone, signal.basis, signal.factors, signal.flow) == (
            "FR",
            "average",
            "unknown",
            "unknown",
        )
        assert signal.source == "file file.csv"
        assert signal.time_resolved

    @pytest.mark.parametrize("name", ["ts_utc", "Datetime (UTC)", "datetime", "timestamp", "Time", "from"])
    def test_names_of_the_column_of_instants(self, write, name):
        assert read_intensity_table(write(WIDE.replace("ts_utc", name))).zones == ("DE", "FR")

    def test_first_column_without_a_name_holds_instants(self, write):
        assert read_intensity_table(write(WIDE.replace("ts_utc", ""))).zones == ("DE", "FR")

    def test_long(self, write):
        table = read_intensity_table(write(LONG))
        assert table.zones == ("DE", "FR")
        assert values(table.series["DE"]) == [300.0, 310.0]
        assert values(table.series["FR"]) == [40.0, 50.0]

    @pytest.mark.parametrize(
        "zone", ["zone", "Zone Id", "zoneId", "region", "balancing_authority", "country"]
    )
    @pytest.mark.parametrize(
        "value",
        ["value", "carbon_intensity", "carbonIntensity", "intensity", "g_per_kwh", "ci", "CI", "gCO2e/kWh"],
    )
    def test_names_of_long_columns(self, write, zone, value):
        text = LONG.replace("zone", zone).replace("value", value)
        assert values(read_intensity(write(text), zone="FR")) == [40.0, 50.0]

    def test_single_zone_named_by_its_column(self, write):
        text = "datetime,DE\n2026-03-01T00:00Z,300\n2026-03-01T01:00Z,310\n"
        assert read_intensity(write(text)).signal.zone == "DE"

    def test_single_zone_without_a_name_takes_the_one_asked_for(self, write):
        path = write("datetime,intensity\n2026-03-01T00:00Z,300\n2026-03-01T01:00Z,310\n")
        assert read_intensity(path).signal.zone is None
        assert read_intensity(path, zone="DE").signal.zone == "DE"
        assert read_intensity_table(path).zones == (None,)
        assert read_intensity_table(path).pick("DE").signal.zone == "DE"

    def test_two_capitals_are_a_country_not_a_word(self, write):
        # Bosnia (ba: balancing authority), Ivory Coast (ci: carbon intensity), Tonga (to), Indonesia
        text = "ts_utc,BA,CI,TO,ID\n2026-03-01T00:00Z,1,2,3,4\n2026-03-01T01:00Z,1,2,3,4\n"
        assert read_intensity_table(write(text)).zones == ("BA", "CI", "TO", "ID")

    def test_other_columns_do_not_disturb(self, write):
        text = (
            "time,deltaseconds,unix,intensity\n2026-03-01T00:00Z,9,1.7e9,11\n2026-03-01T00:30Z,8,1.7e9,15\n"
        )
        assert values(read_intensity(write(text))) == [11.0, 15.0]


EM = "Country,{z} Name,{z} Id"
EM_A = (
    "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),"
    "Carbon Intensity gCO₂eq/kWh (LCA),Low Carbon Percentage,Renewable Percentage,Data Source,"
    "Data Estimated,Data Estimation Method"
)
EM_B = EM_A.replace("(LCA)", "(life cycle assessment)")
EM_HYBRID = (
    "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),"
    "Carbon Intensity gCO₂eq/kWh (Life cycle),Carbon-Free Energy Percentage (CFE%),"
    "Renewable Energy Percentage (RE%),Data Source,Data Estimated,Data Estimation Method"
)
EM_C = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),"
    "Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method"
)
EM_ROWS = """
2026-03-01 00:00:00,Germany,Germany,DE,250.11,300.5,60.1,55.2,entsoe.eu,false,
2026-03-01 01:00:00,Germany,Germany,DE,260.22,310.5,60.1,55.2,entsoe.eu,true,TIME_SLICER_AVERAGE
"""


class TestPublishedForms:
    @pytest.mark.parametrize("header", [EM_A, EM_B, EM_HYBRID, EM_C])
    def test_electricity_maps_downloads(self, write, header):
        series = read_intensity(write(header + EM_ROWS, "DE_2026_hourly.csv"))
        assert values(series) == [300.5, 310.5]  # lifecycle, the stamps being UTC by contract
        assert hours(series) == [0, 1, 2]
        assert statuses(series) == ["measured", "estimated"]
        signal = series.signal
        assert (signal.zone, signal.factors, signal.flow) == ("DE", "lifecycle", "consumption")
        assert signal.source == "Electricity Maps, file DE_2026_hourly.csv"

    def test_electricity_maps_direct_factors_on_request(self, write):
        series = read_intensity(write(EM_C + EM_ROWS), factors="direct")
        assert values(series) == [250.11, 260.22]
        assert series.signal.factors == "direct"

    def test_electricity_maps_without_the_last_columns(self, write):
        cut = "\n".join(line.rsplit(",", 2)[0] for line in (EM_A + EM_ROWS).splitlines() if line)
        assert statuses(read_intensity(write(cut))) == ["measured", "measured"]

    def test_electricity_maps_with_a_broken_subscript(self, write):
        broken = (EM_C + EM_ROWS).replace("gCO₂eq", "gCO\u00e2\u201a\u201aeq")
        assert values(read_intensity(write(broken))) == [300.5, 310.5]

    def test_watttime_history_is_marginal_pounds_per_megawatt_hour(self, write):
        text = "point_time,value\n2026-03-01T00:00:00+00:00,870\n2026-03-01T00:05:00+00:00,1000\n"
        series = read_intensity(write(text))
        # 1000 lb/MWh x 0.45359237 kg/lb = 453.59237 kg/MWh = g/kWh; 870 of them: 394.6253619
        np.testing.assert_allclose(series.intensity_g_per_kwh, [394.6253619, 453.59237], rtol=1e-12)
        assert series.signal.basis == "marginal"
        assert hours(series) == [0, 5 / 60, 10 / 60]

    def test_watttime_units_are_read_where_they_are_given(self, write):
        rows = "2026-03-01T00:00Z,{u},CAISO_NORTH,1000\n2026-03-01T00:05Z,{u},CAISO_NORTH,0\n"
        head = "point_time,units,region,value\n"
        lb = read_intensity(write(head + rows.format(u="lbs_co2_per_mwh")))
        assert lb.intensity_g_per_kwh[0] == pytest.approx(453.59237)
        assert lb.signal.zone == "CAISO_NORTH"
        with pytest.raises(DataFileError, match=r"units: 'percentile' is not read; g/kWh"):
            read_intensity(write(head + rows.format(u="percentile")))

    def test_watttime_signals_other_than_the_marginal_rate_are_refused(self, write):
        rows = "point_time,value,signal_type\n2026-03-01T00:00Z,3,{s}\n2026-03-01T00:05Z,4,{s}\n"
        assert read_intensity(write(rows.format(s="co2_moer"))).signal.basis == "marginal"
        with pytest.raises(DataFileError, match="'health_damage' is not read; co2_moer is"):
            read_intensity(write(rows.format(s="health_damage")))

    def test_neso_forecast_stands_in_for_a_missing_actual(self, write):
        text = (
            "from,to,forecast,actual,index\n"
            "2026-03-01T00:00Z,2026-03-01T00:30Z,266,263,moderate\n"
            "2026-03-01T00:30Z,2026-03-01T01:00Z,270,,moderate\n"
        )
        series = read_intensity(write(text))
        assert values(series) == [263.0, 270.0]
        assert statuses(series) == ["measured", "forecast"]
        assert hours(series) == [0, 0.5, 1]
        signal = series.signal
        assert (signal.zone, signal.factors, signal.basis) == ("GB", "direct", "average")
        assert signal.source.startswith("NESO Carbon Intensity")

    @pytest.mark.parametrize(
        "header",
        [
            "DATETIME,FORECAST,ACTUAL,INDEX",
            "Datetime (UTC),Forecast Carbon Intensity (gCO2/kWh),Actual Carbon Intensity (gCO2/kWh),Index",
        ],
    )
    def test_neso_tables_have_naive_utc_stamps(self, write, header):
        series = read_intensity(
            write(header + "\n2026-03-01T00:00:00,10,11,low\n2026-03-01T00:30:00,20,21,low\n")
        )
        assert (values(series), series.signal.zone) == ([11.0, 21.0], "GB")

    def test_neso_has_no_lifecycle_factors(self, write):
        path = write("from,forecast,actual,index\n2026-03-01T00:00Z,1,1,low\n2026-03-01T00:30Z,1,1,low\n")
        with pytest.raises(
            DataFileError, match=r"no column of lifecycle factors; 'forecast', 'actual' is direct"
        ):
            read_intensity(path, factors="lifecycle")

    def test_a_numbered_table_with_a_forecast_is_not_taken_for_neso(self, write):
        text = "index,ts_utc,forecast,actual\n0,2026-03-01T00:00,1,2\n1,2026-03-01T01:00,3,\n"
        series = read_intensity(write(text))
        assert series.signal.zone is None
        assert values(series) == [2.0, 3.0]
        assert statuses(series) == ["measured", "forecast"]

    def test_only_a_forecast_is_a_forecast(self, write):
        text = "ts_utc,forecast\n2026-03-01T00:00,1\n2026-03-01T01:00,2\n"
        assert statuses(read_intensity(write(text))) == ["forecast", "forecast"]
