"""Which column and which zone is read when a file has several."""

from __future__ import annotations

import pytest
from grid_reading import LONG, WIDE, hours, values

from lowtide.errors import DataFileError, InputError, ZoneError
from lowtide.grid.files import IntensityTable, read_intensity, read_intensity_table, read_marginal_beside

BOTH = """ts_utc,zone,ci_direct,ci_lca,moer_g_per_kwh,moer_lb_per_mwh
2026-03-01T00:00Z,DE,250,300,-5,-11.02
2026-03-01T01:00Z,DE,260,310,700,1543.24
"""


class TestChoosingAColumn:
    def test_lifecycle_average_unless_asked_otherwise(self, write):
        signal = read_intensity(write(BOTH)).signal
        assert (signal.basis, signal.factors) == ("average", "lifecycle")

    def test_direct(self, write):
        assert values(read_intensity(write(BOTH), factors="direct")) == [250.0, 260.0]

    def test_marginal_prefers_the_column_that_needs_no_conversion(self, write):
        series = read_intensity(write(BOTH), basis="marginal")
        assert values(series) == [-5.0, 700.0]
        assert (series.signal.basis, series.signal.factors) == ("marginal", "unknown")

    def test_by_name(self, write):
        series = read_intensity(write(BOTH), column="moer_lb_per_mwh")
        assert series.signal.basis == "marginal"
        assert series.intensity_g_per_kwh[1] == pytest.approx(1543.24 * 0.45359237)

    def test_unknown_name(self, write):
        with pytest.raises(DataFileError, match=r"no column 'ci_lcaa'; did you mean ci_lca"):
            read_intensity(write(BOTH), column="ci_lcaa")

    def test_factors_that_are_not_there(self, write):
        text = "ts_utc,zone,ci_lca\n2026-03-01T00:00Z,DE,250\n2026-03-01T01:00Z,DE,260\n"
        with pytest.raises(
            DataFileError, match=r"no column of direct factors; 'ci_lca' is lifecycle: ask for that"
        ):
            read_intensity(write(text), factors="direct")
        with pytest.raises(DataFileError, match=r"no column of marginal intensity; 'ci_lca' is average"):
            read_intensity(write(text), basis="marginal")

    def test_what_a_file_leaves_open_is_what_is_asked_for(self, write):
        signal = read_intensity(write(WIDE), zone="DE", basis="marginal", factors="direct").signal
        assert (signal.basis, signal.factors) == ("marginal", "direct")

    def test_average_asked_of_a_marginal_file(self, write):
        text = "ts_utc,moer_g_per_kwh\n2026-03-01T00:00Z,250\n2026-03-01T01:00Z,260\n"
        with pytest.raises(
            DataFileError, match="no column of average intensity; 'moer_g_per_kwh' is marginal"
        ):
            read_intensity(write(text), basis="average")

    def test_older_downloads_of_watttime_are_in_pounds(self, write):
        text = (
            "timestamp,MOER,MOER version,frequency\n"
            "2026-03-01T00:00:00+00:00,1006,3.2,300\n2026-03-01T00:05:00+00:00,1006,3.2,300\n"
        )
        series = read_intensity(write(text))
        assert series.signal.basis == "marginal"
        assert series.signal.source.startswith("WattTime")
        assert series.intensity_g_per_kwh[0] == pytest.approx(456.313924)  # 1006 lb/MWh x 0.45359237

    def test_marginal_rates_without_a_unit_are_refused(self, write):
        text = "ts_utc,moer\n2026-03-01T00:00Z,1006\n2026-03-01T01:00Z,1006\n"
        with pytest.raises(
            DataFileError, match=r"'moer' gives no unit, .* name it moer_lb_per_mwh or moer_g_per_kwh"
        ):
            read_intensity(write(text))

    def test_unit_of_marginal_rates_in_a_column_of_its_own(self, write):
        text = "ts_utc,moer,units\n2026-03-01T00:00Z,1006,lbs_co2_per_mwh\n2026-03-01T01:00Z,1006,lbs_co2_per_mwh\n"
        assert read_intensity(write(text)).intensity_g_per_kwh[0] == pytest.approx(456.313924)

    def test_marginal_beside_is_there_only_where_the_file_says_so(self, write):
        assert values(read_marginal_beside(write(BOTH))) == [-5.0, 700.0]
        assert read_marginal_beside(write(WIDE), zone="DE") is None
        assert read_marginal_beside(write("ts_utc,ci\n2026-03-01T00:00Z,1\n2026-03-01T01:00Z,2\n")) is None

    def test_several_that_fit(self, write):
        text = "ts_utc,ci,value\n2026-03-01T00:00Z,1,2\n2026-03-01T01:00Z,1,2\n"
        with pytest.raises(DataFileError, match=r"several columns of intensity: 'ci', 'value'; say which"):
            read_intensity(write(text))

    def test_unit_that_is_not_read(self, write):
        text = "ts_utc,intensity_kg_per_kwh\n2026-03-01T00:00Z,1\n2026-03-01T01:00Z,1\n"
        with pytest.raises(
            DataFileError, match=r"'intensity_kg_per_kwh': its unit is not read; g/kWh, kg/MWh"
        ):
            read_intensity(write(text))

    def test_words_that_are_neither_zones_nor_intensities(self, write):
        with pytest.raises(DataFileError, match="'gas_mw' is neither a zone nor an intensity"):
            read_intensity(write("ts_utc,gas_mw\n2026-03-01T00:00Z,1\n2026-03-01T01:00Z,1\n"))
        with pytest.raises(DataFileError, match=r"no column of intensity among 'ts_utc', 'zone', 'price'"):
            read_intensity(write("ts_utc,zone,price\n2026-03-01T00:00Z,DE,1\n2026-03-01T01:00Z,DE,1\n"))

    def test_a_basis_that_does_not_exist(self, write):
        with pytest.raises(InputError, match="factors is 'lca'; use one of lifecycle, direct"):
            read_intensity(write(WIDE), zone="DE", factors="lca")


class TestZones:
    def test_many_zones_and_none_named(self, write):
        with pytest.raises(ZoneError, match=r"has 2 zones; say which: DE, FR$"):
            read_intensity(write(WIDE))

    def test_unknown_zone(self, write):
        with pytest.raises(ZoneError, match=r"no zone 'FRA' in .*file.csv; did you mean FR\? it has DE, FR$"):
            read_intensity(write(WIDE), zone="FRA")
        with pytest.raises(ZoneError, match=r"no zone 'XX' in .*file.csv; it has DE, FR$"):
            read_intensity(write(LONG), zone="XX")

    def test_case_does_not_matter(self, write):
        assert read_intensity(write(WIDE), zone="fr").signal.zone == "FR"

    def test_alias_of_a_zone_of_the_file(self, write):
        aliases = {"gcp:europe-west3": "DE"}
        assert read_intensity(write(LONG), zone="gcp:europe-west3", resolve=aliases.get).signal.zone == "DE"

    def test_file_with_aliases_and_a_key_asked_for(self, write):
        path = write(WIDE.replace("DE", "CISO"))
        aliases = {"CISO": "US-CAL-CISO"}
        assert read_intensity(path, zone="US-CAL-CISO", resolve=aliases.get).signal.zone == "CISO"

    def test_exact_name_comes_before_aliases(self, write):
        assert read_intensity(write(WIDE), zone="FR", resolve={"FR": "DE"}.get).signal.zone == "FR"

    def test_alias_of_two_zones(self, write):
        aliases = {"CAISO_PGE": "US-CAL-CISO", "CAISO_SCE": "US-CAL-CISO"}
        path = write(WIDE.replace("DE", "CAISO_PGE").replace("FR", "CAISO_SCE"))
        with pytest.raises(ZoneError, match="US-CAL-CISO could be CAISO_PGE or CAISO_SCE in"):
            read_intensity(path, zone="US-CAL-CISO", resolve=aliases.get)

    def test_resolver_that_raises_is_one_that_does_not_know(self, write):
        def resolve(zone: str) -> str:
            raise ZoneError("no such zone")

        with pytest.raises(ZoneError, match="no zone 'XX'"):
            read_intensity(write(WIDE), zone="XX", resolve=resolve)

    def test_one_zone_file_of_another_zone(self, write):
        text = "ts_utc,DE\n2026-03-01T00:00Z,300\n2026-03-01T01:00Z,310\n"
        with pytest.raises(ZoneError, match="no zone 'FR'"):
            read_intensity(write(text), zone="FR")

    def test_table_picks_like_read_intensity(self, write):
        table: IntensityTable = read_intensity_table(write(WIDE))
        assert table.pick("FR").signal.zone == "FR"
        with pytest.raises(ZoneError, match="say which: DE, FR"):
            table.pick()

    @pytest.mark.parametrize("text", [WIDE, LONG])
    def test_one_zone_is_the_same_alone_and_among_all(self, write, text):
        path = write(text)
        alone, among = read_intensity(path, zone="FR"), read_intensity_table(path).series["FR"]
        assert values(alone) == values(among)
        assert hours(alone) == hours(among)
        assert alone.signal == among.signal
