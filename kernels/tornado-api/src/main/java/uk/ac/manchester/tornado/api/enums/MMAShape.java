package uk.ac.manchester.tornado.api.enums;

/** Sizes of a product of tensor cores: an M by K tile times a K by N tile. */
public enum MMAShape {
    M16N8K16,
    M16N8K32
}
