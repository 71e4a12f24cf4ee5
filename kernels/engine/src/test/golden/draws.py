"""The numbers of SamplerTest.drawsAreTheSameForEver, from the definition in the Javadoc of Draws: python draws.py"""
MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def fold(state, part):
    return mix(((state ^ part) + GAMMA) & MASK)


def uniform(seed, custom_id, sample, position):
    fnv = 0xCBF29CE484222325
    for byte in custom_id.encode():
        fnv = ((fnv ^ byte) * 0x100000001B3) & MASK
    key = fold(mix((seed + GAMMA) & MASK), fnv)
    return (fold(fold(key, sample), position) >> 11) * 2.0**-53


print(uniform(0, "row-1", 0, 0))
print(uniform(-5, "Zeile-\u00e4", 3, 1000))
