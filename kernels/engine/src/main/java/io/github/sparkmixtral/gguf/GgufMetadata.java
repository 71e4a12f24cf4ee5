package io.github.sparkmixtral.gguf;

import io.github.sparkmixtral.file.ModelException;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;

/**
 * The key-value pairs of a GGUF file, by key, with the type that the reader of a key asks for. Integers may be stored in any
 * width and sign; arrays stay in the file until they are asked for.
 */
public final class GgufMetadata {
    /** The specification's bound. */
    private static final int LONGEST_KEY = 65535;
    // Bounds on what the heap is asked for, far above any model's need.
    private static final int LONGEST_TEXT = 16 << 20;
    private static final int LONGEST_PIECE = 65535;
    private static final int LONGEST_ARRAY = 4 << 20;
    private static final int MOST_PAIRS = 1 << 16;

    private static final int UINT8 = 0;
    private static final int INT8 = 1;
    private static final int UINT16 = 2;
    private static final int INT16 = 3;
    private static final int UINT32 = 4;
    private static final int INT32 = 5;
    private static final int FLOAT32 = 6;
    private static final int BOOL = 7;
    private static final int STRING = 8;
    private static final int ARRAY = 9;
    private static final int UINT64 = 10;
    private static final int INT64 = 11;
    private static final int FLOAT64 = 12;

    private final String file;
    private final MemorySegment content;
    private final Map<String, Object> values;

    /** Where an array's elements lie. */
    private record Array(int type, int count, long position) {}

    private GgufMetadata(String file, MemorySegment content, Map<String, Object> values) {
        this.file = file;
        this.content = content;
        this.values = values;
    }

    static GgufMetadata read(GgufReader reader, MemorySegment content, long pairs) {
        if (pairs > MOST_PAIRS) {
            throw new ModelException("%s states %d metadata pairs, more than %d: it is damaged; fetch it again"
                    .formatted(reader.file(), pairs, MOST_PAIRS));
        }
        Map<String, Object> values = new LinkedHashMap<>();
        for (long i = 0; i < pairs; i++) {
            String key = reader.string("a metadata key", LONGEST_KEY);
            Object value = value(reader, key, reader.int32("the type of " + key));
            if (values.put(key, value) != null) {
                throw new ModelException("%s has the metadata key %.200s twice".formatted(reader.file(), key));
            }
        }
        return new GgufMetadata(reader.file(), content, values);
    }

    private static Object value(GgufReader reader, String key, int type) {
        return switch (type) {
            case STRING -> reader.string(key, LONGEST_TEXT);
            case ARRAY -> array(reader, key);
            default -> scalar(reader, key, type);
        };
    }

    /** A {@code Long}, {@code Double} or {@code Boolean}. */
    private static Object scalar(GgufReader reader, String key, int type) {
        return switch (type) {
            case UINT8 -> reader.int8(key) & 0xFFL;
            case INT8 -> (long) reader.int8(key);
            case UINT16 -> reader.int16(key) & 0xFFFFL;
            case INT16 -> (long) reader.int16(key);
            case UINT32 -> reader.int32(key) & 0xFFFFFFFFL;
            case INT32 -> (long) reader.int32(key);
            case FLOAT32 -> (double) reader.float32(key);
            case BOOL -> reader.int8(key) != 0;
            // 2^63 and more are out of range for every key, so that their exact value does not matter.
            case UINT64 -> {
                long number = reader.int64(key);
                yield number < 0 ? Long.MAX_VALUE : number;
            }
            case INT64 -> reader.int64(key);
            case FLOAT64 -> reader.float64(key);
            default -> throw unknownType(reader.file(), key, type);
        };
    }

    private static int scalarBytes(String file, String key, int type) {
        return switch (type) {
            case UINT8, INT8, BOOL -> 1;
            case UINT16, INT16 -> 2;
            case UINT32, INT32, FLOAT32 -> 4;
            case UINT64, INT64, FLOAT64 -> 8;
            default -> throw unknownType(file, key, type);
        };
    }

    private static ModelException unknownType(String file, String key, int type) {
        return new ModelException(
                "%s: metadata %.200s has the value type %s, which is unknown or not allowed there: the file is damaged; fetch it again"
                        .formatted(file, key, Integer.toUnsignedString(type)));
    }

    private static Array array(GgufReader reader, String key) {
        int type = reader.int32("the element type of " + key);
        int size = type == STRING ? 8 : scalarBytes(reader.file(), key, type);
        long most = Math.min(LONGEST_ARRAY, Math.max(0, reader.remaining() - 8) / size);
        int count = (int) reader.count("the number of elements of " + key, most);
        long position = reader.position();
        if (type == STRING) {
            for (int i = 0; i < count; i++) {
                reader.skipString(key);
            }
        } else {
            reader.skip((long) count * size, key);
        }
        return new Array(type, count, position);
    }

    /** All keys. */
    public Set<String> keys() {
        return Collections.unmodifiableSet(values.keySet());
    }

    public boolean has(String key) {
        return values.containsKey(key);
    }

    /** A whole number of 32 bits with sign; empty where the key is absent. */
    public OptionalInt integer(String key) {
        Object value = values.get(key);
        if (value == null) {
            return OptionalInt.empty();
        }
        if (value instanceof Long number && number == number.intValue()) {
            return OptionalInt.of(number.intValue());
        }
        throw mistyped(key, "a whole number below 2^31");
    }

    /** A whole number that the model cannot do without. */
    public int requiredInteger(String key) {
        return integer(key).orElseThrow(() -> missing(key));
    }

    /** A number; empty where the key is absent. */
    public OptionalDouble number(String key) {
        return switch (values.get(key)) {
            case null -> OptionalDouble.empty();
            case Double number -> OptionalDouble.of(number);
            case Long number -> OptionalDouble.of(number);
            default -> throw mistyped(key, "a number");
        };
    }

    /** A truth value; empty where the key is absent. */
    public Optional<Boolean> flag(String key) {
        return switch (values.get(key)) {
            case null -> Optional.empty();
            case Boolean flag -> Optional.of(flag);
            default -> throw mistyped(key, "true or false");
        };
    }

    /** A text; empty where the key is absent. */
    public Optional<String> string(String key) {
        return switch (values.get(key)) {
            case null -> Optional.empty();
            case String text -> Optional.of(text);
            default -> throw mistyped(key, "a text");
        };
    }

    /** An array of texts that the model cannot do without. */
    public String[] strings(String key) {
        Array array = array(key, "an array of texts");
        if (array.type() != STRING) {
            throw mistyped(key, "an array of texts");
        }
        GgufReader reader = new GgufReader(file, content, array.position());
        String[] texts = new String[array.count()];
        for (int i = 0; i < texts.length; i++) {
            texts[i] = reader.string(key, LONGEST_PIECE);
        }
        return texts;
    }

    /** An array of numbers that the model cannot do without. */
    public float[] floats(String key) {
        Array array = array(key, "an array of numbers");
        GgufReader reader = elements(array, key);
        float[] numbers = new float[array.count()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = switch (scalar(reader, key, array.type())) {
                case Double number -> number.floatValue();
                case Long number -> number;
                default -> throw mistyped(key, "an array of numbers");
            };
        }
        return numbers;
    }

    /** An array of whole numbers that the model cannot do without. */
    public int[] integers(String key) {
        Array array = array(key, "an array of whole numbers");
        GgufReader reader = elements(array, key);
        int[] numbers = new int[array.count()];
        for (int i = 0; i < numbers.length; i++) {
            if (!(scalar(reader, key, array.type()) instanceof Long number) || number != number.intValue()) {
                throw mistyped(key, "an array of whole numbers below 2^31");
            }
            numbers[i] = number.intValue();
        }
        return numbers;
    }

    private GgufReader elements(Array array, String key) {
        if (array.type() == STRING) {
            throw mistyped(key, "an array of numbers");
        }
        return new GgufReader(file, content, array.position());
    }

    private Array array(String key, String wanted) {
        return switch (values.get(key)) {
            case null -> throw missing(key);
            case Array array -> array;
            default -> throw mistyped(key, wanted);
        };
    }

    /** For a key that must be there and is not. */
    public ModelException missing(String key) {
        return new ModelException(
                "%s has no metadata %s, which the model needs; convert the model again".formatted(file, key));
    }

    private ModelException mistyped(String key, String wanted) {
        Object value = values.get(key);
        String found = value instanceof Array ? "an array" : value.toString();
        return new ModelException("%s: metadata %s is %.60s, but must be %s".formatted(file, key, found, wanted));
    }
}
