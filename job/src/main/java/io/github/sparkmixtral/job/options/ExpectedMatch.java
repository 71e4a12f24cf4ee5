package io.github.sparkmixtral.job.options;

import java.util.Locale;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BooleanType;
import org.apache.spark.sql.types.ByteType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.IntegerType;
import org.apache.spark.sql.types.LongType;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.ShortType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructType;

/** How an answer is compared with an expected one ({@code --expected-match}). All but {@link #F1} say right or wrong. */
public enum ExpectedMatch {
    /** The answer is the text, white space at both ends aside. */
    EXACT,
    /** The text is somewhere in the answer. */
    CONTAINS,
    /** The text is a regular expression of Java's that matches somewhere in the answer. */
    REGEX,
    /** The last number of the answer is the text's last number. */
    NUMBER,
    /** The answer holds the same JSON value. */
    JSON,
    /** Of words in common, as SQuAD counts them: a score in [0, 1]. */
    F1;

    /** The field of SQuAD's answers that holds the texts. */
    public static final String TEXT = "text";

    /** Whether a column of that type can hold expected answers: one for each row, or an array of accepted ones. */
    public boolean takes(DataType type) {
        return this == JSON
                || switch (type) {
                    case ArrayType array -> isText(textsOf(array.elementType()));
                    case StructType struct
                    when textsOf(struct) instanceof ArrayType texts -> isText(texts.elementType());
                    default -> isText(textsOf(type));
                };
    }

    private boolean isText(DataType type) {
        return type instanceof StringType
                || type instanceof BooleanType
                || isWhole(type)
                || this == NUMBER && type instanceof NumericType;
    }

    /** Of an object, what its texts are; of any other value, its own type. */
    private static DataType textsOf(DataType type) {
        return type instanceof StructType struct && struct.getFieldIndex(TEXT).isDefined()
                ? struct.apply(TEXT).dataType()
                : type;
    }

    private static boolean isWhole(DataType type) {
        return type instanceof LongType
                || type instanceof IntegerType
                || type instanceof ShortType
                || type instanceof ByteType;
    }

    /** What {@link #takes} takes, in words. */
    public String wanted() {
        return (this == NUMBER ? "text, numbers" : "text, whole numbers") + " or booleans, or arrays of them,";
    }

    /** The name in options and messages. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }
}
