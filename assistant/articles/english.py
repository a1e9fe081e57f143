"""English words that more than one rule about articles rests on, as parts of patterns."""

SAID = (
    r"(?:said|says|saying|wrote|writes|told|tells|explained|explains|added|adds|adding|complained|complains|announced|"
    r"asked|asks|argued|argues|warned|warns|insisted|noted|notes|stated|states|claimed|claims|replied|recalled|"
    r"acknowledged|admitted|conceded|testified|cried|shouted|urged)"
)
