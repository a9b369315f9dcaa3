"""What is read from the metadata of a fence agent."""

import pytest

from vedette.fencing.drivers import metadata

XML = """<?xml version="1.0" ?>
<resource-agent name="fence_x"><parameters>
<parameter name="ip" required="1"><content type="string"/></parameter>
<parameter name="port" deprecated="1"><content type="string"/></parameter>
<parameter name="plug" obsoletes="port"><content type="string"/></parameter>
<parameter name="lanplus"><content type="boolean"/></parameter>
<parameter name="ipport"><content type="integer" default="1"/></parameter>
<parameter name="power_wait"><content type="second" default="2"/></parameter>
<parameter name="snmp_version"><content type="select"><option value="1"/><option value="2c"/></content></parameter>
</parameters><actions><action name="on" automatic="0"/><action name="off"/><action name="status"/></actions>
</resource-agent>"""


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("lanplus", "1", "maybe"),
        ("lanplus", "Yes", ""),
        ("ipport", "161", "snmp"),
        ("power_wait", "2", "2s"),
        ("snmp_version", "2c", "v2c"),
    ],
)
def test_a_value_must_be_of_its_options_kind(name: str, right: str, wrong: str) -> None:
    option = metadata.parse(XML).options[name]
    assert option.fault(right) is None
    assert option.fault(wrong) is not None


def test_the_plug_goes_into_the_option_that_is_not_deprecated() -> None:
    assert metadata.parse(XML).plug == "plug"
    assert metadata.parse(XML.replace('name="plug"', 'name="plugs"')).plug == "port"


def test_actions_are_known() -> None:
    assert metadata.parse(XML).actions == {"on", "off", "status"}


@pytest.mark.parametrize("text", ["", "no XML", "<html></html>", "<resource-agent>"])
def test_what_is_no_metadata_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whatever the parser says)
        metadata.parse(text)
