"""A short text of our own for the character model of notebook 05: small letters, few signs, and a refrain to
remember."""

TEXT = """\
on monday the miller walks down to the river. he listens to the water and looks at the wheel. the wheel turns slowly, and the \
stones turn with the wheel. the miller fills a sack with flour and says: what the river brings, the wheel remembers.

on tuesday the ferryman walks down to the river. he listens to the wind and looks at the rope. the rope is wet, and the boat \
pulls at the rope. the ferryman takes the miller to the other side and says: what the river takes, the boat remembers.

on wednesday the baker walks down to the mill. she listens to the stones and looks at the flour. the flour is white, and the \
sack is heavy. the baker carries the sack to the oven and says: what the mill makes, the bread remembers.

on thursday the weaver walks down to the market. she listens to the people and looks at the bread. the bread is warm, and the \
people are hungry. the weaver buys a loaf from the baker and says: what the oven warms, the hand remembers.

on friday the teacher walks down to the school. he listens to the children and looks at the board. the board is black, and the \
letters are white. the teacher writes a line on the board and says: what the hand writes, the child remembers.

on saturday the children walk down to the river. they listen to the water and look at the boat. the boat is small, and the \
river is wide. the children throw a stone into the river and say: what the river brings, the stone remembers.

on sunday nobody walks down to the river. nobody listens to the water and nobody looks at the wheel. the wheel turns slowly, \
and the stones turn with the wheel. the river says nothing at all, and the wheel remembers.

when the winter comes, the river is white and the wheel stands still. the miller looks at the snow and listens to nothing. the \
baker carries wood to the oven, and the ferryman carries wood to the boat. the teacher writes a line on the board: what the \
summer brings, the winter remembers. the children look at the line and walk down to the river. they throw a stone at the ice, \
and the stone says nothing at all.

when the spring comes, the ice breaks and the wheel turns slowly. the miller listens to the water and looks at the wheel. the \
weaver walks down to the market, and the ferryman pulls at the rope. the baker fills a sack with bread and carries the bread to \
the school. the teacher takes a loaf from the baker and says: what the winter takes, the spring remembers. the children are \
hungry, and the bread is warm.

when the summer comes, the river is small and the boat is still. the ferryman looks at the stones and listens to the people. the \
people walk to the other side, and nobody pulls at the rope. the weaver walks down to the water and says: what the boat brings, \
the river remembers. the miller fills a sack with sand, and the wheel stands still.

when the autumn comes, the wind is loud and the river is wide. the baker listens to the wind and looks at the flour. the miller \
walks down to the wheel, and the wheel turns and turns. the stones are warm, and the sack is heavy. the teacher walks down to \
the river and says: what the summer warms, the autumn remembers. the children listen to the teacher and look at the water.

on monday the miller walks down to the river, and on tuesday the ferryman walks down to the river. the miller looks at the boat, \
and the ferryman looks at the wheel. the boat pulls at the rope, and the wheel turns with the stones. the miller takes a loaf \
from the sack and says: what the hand makes, the people remember.

on wednesday the baker walks down to the market, and on thursday the weaver walks down to the mill. the baker listens to the \
people, and the weaver listens to the stones. the bread is white, and the flour is warm. the weaver carries a sack to the boat \
and says: what the wind brings, the rope remembers.
"""


def split(last: int = 2) -> tuple[str, str]:
    """(training text, held-out text): the last paragraphs are held out."""
    paragraphs = TEXT.strip().split("\n\n")
    return "\n\n".join(paragraphs[:-last]) + "\n\n", "\n\n".join(paragraphs[-last:])
