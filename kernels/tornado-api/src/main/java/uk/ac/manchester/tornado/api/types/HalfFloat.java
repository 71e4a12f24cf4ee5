package uk.ac.manchester.tornado.api.types;

/** A number of IEEE 754 binary16. */
public class HalfFloat {

    private final short bits;

    /** The nearest such number, ties to even. */
    public HalfFloat(float value) {
        bits = Float.floatToFloat16(value);
    }

    /** The number with these bits. */
    public HalfFloat(short bits) {
        this.bits = bits;
    }

    /** Its bits. */
    public short getHalfFloatValue() {
        return bits;
    }

    public float getFloat32() {
        return Float.float16ToFloat(bits);
    }
}
