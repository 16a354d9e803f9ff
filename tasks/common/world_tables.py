"""Tables of the small world, from which ``world.py`` in this folder makes its facts.

Each subject is one line, with columns separated by bars and a dash where there is no fact. Change nothing here without
training the pocket base models again.

Sizes, weights and speeds are classes from 1 to 9, each a range of real lengths (up to 3 cm, 20 cm, 60 cm, 1.5 m, 3 m, 6
m, 20 m, 100 m, more), masses (10 g, 300 g, 3 kg, 15 kg, 100 kg, 900 kg, 7 t, 200 t, more) and top speeds (1 km/h, 5,
20, 40, 75, 140, 250, 350, more).
"""

# name | kind | place | eats | gives | color | size weight speed
ANIMALS = """
robin | bird | garden | worms | - | red | 2 2 4
eagle | bird | mountains | hares | - | brown | 4 4 7
owl | bird | forest | mice | - | brown | 3 3 5
duck | bird | pond | weeds | - | - | 3 3 6
parrot | bird | jungle | nuts | - | green | 3 3 5
crow | bird | field | corn | - | black | 3 3 5
swan | bird | lake | weeds | - | white | 4 4 6
shark | fish | sea | seals | - | gray | 6 7 5
salmon | fish | river | shrimp | - | silver | 4 4 4
goldfish | fish | tank | flakes | - | orange | 2 2 3
bee | insect | hive | nectar | honey | yellow | 1 1 4
ant | insect | anthill | sugar | - | black | 1 1 1
moth | insect | closet | wool | - | gray | 2 1 3
cow | mammal | barn | grass | milk | - | 5 6 4
horse | mammal | stable | hay | - | brown | 5 6 5
whale | mammal | sea | krill | - | gray | 7 8 4
mouse | mammal | cellar | cheese | - | gray | 2 2 3
lion | mammal | savanna | zebras | - | tan | 5 6 6
bear | mammal | cave | honey | - | brown | 5 6 5
rabbit | mammal | burrow | carrots | - | - | 3 3 5
elephant | mammal | savanna | leaves | - | gray | 6 7 4
camel | mammal | desert | thorns | - | tan | 5 6 5
sheep | mammal | meadow | clover | wool | white | 4 5 4
dog | mammal | kennel | bones | - | - | 4 5 5
snake | reptile | jungle | rats | - | green | 4 3 3
turtle | reptile | pond | lettuce | - | green | 3 3 2
crocodile | reptile | swamp | deer | - | green | 6 6 4
"""
# name | kind | place | use | gives | color | size weight
PLANTS = """
oak | tree | park | - | acorns | - | 8 8
pine | tree | mountains | - | cones | - | 8 8
palm | tree | oasis | - | dates | - | 7 7
maple | tree | street | - | syrup | - | 7 8
rose | flower | garden | - | - | red | 3 2
tulip | flower | park | - | - | - | 3 2
daisy | flower | meadow | - | - | white | 2 1
lily | flower | pond | - | - | pink | 3 2
lemon | fruit | kitchen | make lemonade | - | yellow | 2 2
grape | fruit | vineyard | make wine | - | purple | 1 1
cherry | fruit | orchard | - | - | red | 1 1
banana | fruit | jungle | - | - | yellow | 2 2
carrot | vegetable | soil | - | - | orange | 2 2
potato | vegetable | cellar | - | - | brown | 2 2
pea | vegetable | pod | - | - | green | 1 1
"""
# name | kind | place | use | material | color | size weight speed
OBJECTS = """
hammer | tool | workshop | hit nails | steel | - | 3 3 -
saw | tool | workshop | cut boards | steel | - | 3 3 -
axe | tool | forest | chop logs | steel | - | 4 3 -
spade | tool | garden | dig holes | steel | - | 4 3 -
needle | tool | drawer | sew clothes | steel | silver | 2 1 -
knife | tool | kitchen | slice bread | steel | silver | 3 2 -
broom | tool | closet | sweep floors | straw | - | 4 3 -
car | vehicle | garage | drive around | steel | - | 6 7 7
bus | vehicle | street | ride downtown | steel | - | 7 8 6
train | vehicle | station | haul coal | steel | - | 9 9 8
boat | vehicle | harbor | catch fish | wood | - | 6 6 3
plane | vehicle | airport | fly abroad | - | white | 8 8 9
ship | vehicle | harbor | cross oceans | steel | - | 9 9 5
bicycle | vehicle | shed | pedal uphill | steel | - | 5 4 4
tractor | vehicle | field | plow land | steel | - | 6 7 4
barn | building | valley | store hay | wood | red | 7 8 -
house | building | village | shelter families | brick | - | 7 8 -
church | building | village | hold weddings | stone | - | 8 9 -
castle | building | hills | guard kings | stone | gray | 9 9 -
school | building | city | teach children | brick | - | 8 9 -
chair | furniture | classroom | sit down | wood | - | 4 4 -
bed | furniture | bedroom | sleep well | wood | - | 5 5 -
desk | furniture | office | write letters | wood | brown | 5 5 -
table | furniture | kitchen | serve dinner | wood | brown | 5 5 -
mirror | furniture | bathroom | check hair | glass | silver | 4 4 -
hat | garment | hall | shade eyes | straw | - | 3 2 -
coat | garment | closet | keep warm | wool | - | 4 3 -
boot | garment | hall | cross puddles | leather | black | 3 3 -
sock | garment | drawer | cover feet | cotton | white | 3 2 -
piano | instrument | theater | play waltzes | wood | black | 5 6 -
drum | instrument | parade | beat time | - | red | 3 4 -
flute | instrument | theater | - | wood | - | 4 3 -
cup | container | kitchen | drink tea | clay | white | 2 2 -
bucket | container | well | fetch water | wood | - | 3 3 -
basket | container | market | carry fruit | straw | - | 3 3 -
barrel | container | cellar | store wine | wood | brown | 4 5 -
vase | container | lounge | hold flowers | glass | - | 3 3 -
ball | toy | gym | play soccer | leather | - | 3 3 -
kite | toy | sky | - | paper | - | 4 2 -
doll | toy | nursery | - | cotton | - | 3 3 -
"""
# kind | group | has | for
KINDS = """
bird | animal | feathers | -
fish | animal | gills | -
insect | animal | feelers | -
mammal | animal | hair | -
reptile | animal | scales | -
tree | plant | branches | -
flower | plant | petals | -
fruit | food | - | -
vegetable | food | - | -
tool | object | - | work
vehicle | object | - | travel
building | object | walls | shelter
furniture | object | - | comfort
garment | object | - | wearing
instrument | object | - | music
container | object | - | storage
toy | object | - | play
"""
# material | in water | in a fire | when dropped | source
MATERIALS = """
steel | sinks | lasts | lasts | ore
wood | floats | burns | lasts | trees
glass | sinks | lasts | breaks | sand
clay | sinks | lasts | breaks | mud
stone | sinks | lasts | - | quarries
brick | sinks | lasts | - | kilns
straw | floats | burns | lasts | wheat
wool | - | - | lasts | sheep
cotton | - | burns | lasts | bushes
leather | - | - | lasts | hides
paper | - | burns | lasts | pulp
"""
# place | who works there
WORKERS = """
garden | gardener
forest | hunter
field | farmer
sea | diver
river | fisher
stable | groom
meadow | shepherd
kitchen | cook
orchard | picker
workshop | carpenter
garage | mechanic
station | conductor
harbor | sailor
airport | pilot
classroom | teacher
office | clerk
bathroom | plumber
theater | musician
market | trader
nursery | nurse
gym | coach
"""
OVERLAPS = """
garden park meadow field orchard valley soil
pond lake river swamp tank
sea harbor lake river
forest jungle mountains park hills valley
cave forest mountains burrow hills
desert savanna oasis
barn stable valley field meadow cellar village
workshop garage shed
closet bedroom drawer hall cellar
kitchen cellar market drawer lounge closet
kitchen classroom office bedroom lounge nursery theater hall bathroom gym
village city street hills station market valley parade
gym park city street garden meadow nursery classroom
sky garden park meadow mountains airport
orchard market garden vineyard valley
soil pod field garden kitchen market
well garden kitchen barn cellar shed
shed garden forest garage street park city
parade street city theater
red orange
red brown
red pink white
orange yellow tan
yellow green
green brown tan
brown black tan
brown gray
brown white
gray silver white
gray black
silver pink
purple black
grass hay leaves clover weeds lettuce carrots corn thorns
worms nectar corn nuts shrimp flakes weeds krill
hares mice rats deer zebras seals bones honey cheese shrimp
sugar nectar honey cheese corn flakes nuts wool
wool cotton leather straw
clay glass brick stone
wood straw
wood paper
wood brick stone
drive around, ride downtown, fly abroad, haul coal, cross oceans, catch fish, pedal uphill, plow land, sit down, carry fruit
store hay, shelter families, hold weddings, guard kings, teach children, store wine, serve dinner, sleep well, keep warm
sit down, write letters, sleep well, serve dinner, drink tea, teach children, play waltzes
cut boards, chop logs, hit nails, slice bread, serve dinner
fetch water, carry fruit, store wine, hold flowers, drink tea, catch fish, make wine
dig holes, plow land, fetch water
keep warm, cover feet, cross puddles, shade eyes
hold weddings, hold flowers, play waltzes, beat time
make lemonade, make wine, drink tea, serve dinner
trees bushes pulp wheat
mud kilns quarries ore sand
sheep hides
acorns cones dates
fruit tree vegetable flower
toy instrument vehicle container tool
furniture container instrument
work travel play
play music
comfort shelter wearing
cook picker farmer gardener shepherd groom trader hunter
sailor diver fisher pilot conductor mechanic
carpenter mechanic plumber
nurse teacher coach musician clerk trader
gills scales
branches petals
plant food
""".strip().splitlines()
"""Values that may be true together in the real world: a value is never a wrong choice where another of its line is
correct. In lines with values of two words, commas separate the values."""
