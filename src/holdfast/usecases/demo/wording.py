"""Words the sample application's texts are made of."""

from __future__ import annotations

from random import Random

FIRST_NAMES = (
    "Ada", "Amir", "Anna", "Bela", "Chen", "Clara", "David", "Dina", "Elif", "Emil", "Fatou", "Finn", "Greta",
    "Hana", "Ibrahim", "Ines", "Jakob", "Jana", "Kofi", "Lea", "Leon", "Lin", "Maja", "Marek", "Mila", "Milan",
    "Nadia", "Niko", "Noor", "Olga", "Omar", "Paula", "Priya", "Rafael", "Rosa", "Samir", "Sofia", "Tariq", "Tessa",
    "Viktor", "Yuki", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Abebe", "Andersen", "Bauer", "Becker", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Haddad", "Horváth",
    "Ivanova", "Jansen", "Keller", "Kowalski", "Kaya", "Lehmann", "Lindqvist", "Marino", "Meyer", "Mensah",
    "Nakamura", "Nguyen", "Novák", "O’Brien", "Okafor", "Petrov", "Rossi", "Santos", "Schäfer", "Silva", "Singh",
    "Sørensen", "Tanaka", "Varga", "Weber", "Wójcik", "Yılmaz", "Zhang",
)  # fmt: skip
CITIES = (
    "Aarhus", "Basel", "Bologna", "Bremen", "Brno", "Gdańsk", "Ghent", "Graz", "Kraków", "Leipzig", "Ljubljana",
    "Lyon", "Malmö", "Porto", "Tartu", "Utrecht",
)  # fmt: skip
HALLS = (
    "Old Mill", "Harbour Hall", "Library Loft", "Brewery", "Town Theatre", "Glass House", "Depot 7", "Station Hall",
    "Botanical Garden", "Assembly Rooms", "Ropeworks", "Observatory",
)  # fmt: skip
SUBJECTS = (
    "PostgreSQL", "printmaking", "sourdough", "string quartets", "urban gardening", "Rust", "chess", "letterpress",
    "jazz piano", "bookbinding", "beekeeping", "cartography", "improvised theatre", "film photography",
    "repairing bicycles", "astronomy", "choral singing", "data protection", "fermentation", "woodcut",
)  # fmt: skip
FORMS = (
    "Workshop", "Evening", "Festival", "Open day", "Lecture", "Meetup", "Summer school", "Conference", "Concert",
    "Fair",
)  # fmt: skip
REMARKS = (
    "vegetarian", "arrives late", "needs an invoice", "with a pram", "first time", "group booking", "speaks French",
    "wheelchair", "pays at the door", "two seats together please",
)  # fmt: skip
SENTENCES = (
    "Bring warm clothes, the hall is only heated on Sundays.",
    "Beginners are as welcome as people who have done this for years.",
    "Doors open half an hour before we start; the bar stays open afterwards.",
    "There is room for a wheelchair in every row, please tell us beforehand.",
    "Materials are included, tools can be borrowed on site.",
    "The second half is held in small groups of six to eight.",
    "Tickets can be returned until three days before the event.",
    "We will record the talks, but not the discussion.",
    "Coffee, tea and a simple lunch are part of the price.",
    "The tram stops in front of the door; there are no parking spaces.",
    "Children under twelve come in free of charge.",
    "What remains after costs goes to the neighbourhood fund.",
)


def full_name(random: Random) -> str:
    """First and last name."""
    return f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}"


def title(random: Random) -> str:
    """What an event is called."""
    return f"{random.choice(FORMS)}: {random.choice(SUBJECTS)} in {random.choice(CITIES)}"


def description(random: Random) -> str:
    """A few sentences."""
    return " ".join(random.sample(SENTENCES, random.randint(3, 7)))
