"""Plain values: frozen dataclasses that are validated, written as canonical JSON and addressed by a
digest.

Every description in didact (a recipe, a method, a whole run) is a frozen dataclass made by
:func:`spec`. It converts to JSON and back, reports a wrong key with its full path and the nearest
name, and has a digest that depends only on its content. Nothing here imports torch.

    types     ranges of numbers
    codec     values to JSON and back, digests
    declare   ``spec`` and ``Named``
    names     parts chosen by name
    setting   how one is shown
    faults    messages about invalid values
    foreign   users' own code
    extras    the distribution's name
"""

from didact.spec.codec import canonical as canonical
from didact.spec.codec import digest as digest
from didact.spec.codec import finite as finite
from didact.spec.codec import from_json as from_json
from didact.spec.codec import strict_json as strict_json
from didact.spec.codec import to_json as to_json
from didact.spec.declare import Named as Named
from didact.spec.declare import spec as spec
from didact.spec.extras import DISTRIBUTION as DISTRIBUTION
from didact.spec.extras import installation as installation
from didact.spec.faults import HERE as HERE
from didact.spec.faults import RequestError as RequestError
from didact.spec.faults import SpecError as SpecError
from didact.spec.faults import check_kind as check_kind
from didact.spec.faults import check_word as check_word
from didact.spec.faults import clean as clean
from didact.spec.faults import clean_lines as clean_lines
from didact.spec.faults import closest as closest
from didact.spec.faults import cut as cut
from didact.spec.faults import first_of as first_of
from didact.spec.faults import nearest as nearest
from didact.spec.faults import plural as plural
from didact.spec.faults import shown as shown
from didact.spec.faults import type_at as type_at
from didact.spec.faults import under as under
from didact.spec.names import Chosen as Chosen
from didact.spec.names import catalogue as catalogue
from didact.spec.names import choose as choose
from didact.spec.names import find as find
from didact.spec.names import full_name as full_name
from didact.spec.names import required as required
from didact.spec.setting import Setting as Setting
from didact.spec.types import LARGEST as LARGEST
from didact.spec.types import MOST as MOST
from didact.spec.types import SMALLEST as SMALLEST
from didact.spec.types import UNITS as UNITS
from didact.spec.types import Amount as Amount
from didact.spec.types import Bytes as Bytes
from didact.spec.types import Count as Count
from didact.spec.types import Flag as Flag
from didact.spec.types import NonNegative as NonNegative
from didact.spec.types import Number as Number
from didact.spec.types import Positive as Positive
from didact.spec.types import Seed as Seed
from didact.spec.types import Seeds as Seeds
from didact.spec.types import Share as Share
