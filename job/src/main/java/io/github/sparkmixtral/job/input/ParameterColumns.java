package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.service.ParametersReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BooleanType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructType;

/**
 * Which columns hold rows' own sampling parameters. A name such as {@code top_p} can mean nothing else; others are everyday words, and
 * a column that is called so may be data: a code, a bus stop, the weather. Those are parameters only if each of their values can be
 * one, and data if none can; what lies between is refused, for either guess could be a wrong answer.
 *
 * @param sure those that are parameters in any case
 * @param open everyday words, which the values decide on
 */
record ParameterColumns(List<String> sure, List<String> open) {
    private static final Set<String> EVERYDAY =
            Set.of("seed", "stop", "n", "temperature", ParametersReader.SAFE_PROMPT, Columns.TOOLS);

    /** By its beginning: a text that is broken further on is an error, and not data. */
    private static final Pattern ARRAY_OF_OBJECTS = Pattern.compile("\\s*\\[\\s*\\{");

    /**
     * Finds those of an input.
     *
     * @param columns that are nothing else yet
     * @param inputs whether rows ask with TGI's {@code inputs}, whose parameters are in {@code parameters}
     */
    static ParameterColumns of(List<String> columns, Columns named, boolean inputs) {
        if (named.parameters() != null) {
            return new ParameterColumns(named.parameters(), List.of());
        }
        return new ParameterColumns(
                columns.stream()
                        .filter(name -> Columns.OF_PARAMETERS.contains(name) && !EVERYDAY.contains(name))
                        .filter(name -> inputs || !name.equals(Columns.PARAMETERS))
                        .toList(),
                columns.stream().filter(EVERYDAY::contains).toList());
    }

    List<String> all() {
        List<String> all = new ArrayList<>(sure);
        all.addAll(open);
        return all;
    }

    /** Whether a value can be a parameter, data, or either; one that is empty says neither. */
    enum Fit {
        PARAMETER,
        DATA,
        EITHER,
        NEITHER
    }

    static Fit fit(String name, JsonNode value) {
        if (value.isNull() || value.isArray() && value.isEmpty()) {
            return Fit.NEITHER;
        }
        boolean fits = switch (name) {
            case "seed" -> value.isNumber() && value.doubleValue() == Math.rint(value.doubleValue());
            case "n" -> value.isNumber() && value.doubleValue() == Math.clamp(value.intValue(), 1, 128);
            case "temperature" -> value.isNumber() && value.doubleValue() >= 0 && value.doubleValue() <= 2;
            case ParametersReader.SAFE_PROMPT -> value.isBoolean();
            case "stop" -> value.isArray() && all(value, JsonNode::isTextual);
            default ->
                value.isTextual()
                        ? ARRAY_OF_OBJECTS.matcher(value.textValue()).lookingAt()
                        : value.isArray() && all(value, JsonNode::isObject);
        };
        // A text may be one stop sequence.
        boolean open = name.equals("stop") && value.isTextual();
        return fits ? Fit.PARAMETER : open ? Fit.EITHER : Fit.DATA;
    }

    private static boolean all(JsonNode array, Predicate<JsonNode> condition) {
        for (JsonNode element : array) {
            if (!condition.test(element)) {
                return false;
            }
        }
        return true;
    }

    private static Fit fit(String name, DataType type) {
        boolean fits = switch (name) {
            case "seed", "n", "temperature" -> type instanceof NumericType;
            case ParametersReader.SAFE_PROMPT -> type instanceof BooleanType;
            case "stop" -> type instanceof ArrayType array && array.elementType() instanceof StringType;
            default -> type instanceof ArrayType array && array.elementType() instanceof StructType;
        };
        // A text may be one stop sequence, or tools as JSON.
        boolean open = (name.equals("stop") || name.equals(Columns.TOOLS)) && type instanceof StringType;
        return fits ? Fit.PARAMETER : open ? Fit.EITHER : Fit.DATA;
    }

    /**
     * Decides by the types of columns.
     *
     * @throws JobException with exit code 3 for a column that can be either
     */
    List<String> taken(StructType schema) {
        List<String> taken = new ArrayList<>(sure);
        for (String name : open) {
            switch (fit(name, schema.apply(name).dataType())) {
                case PARAMETER -> taken.add(name);
                case DATA, NEITHER -> {}
                case EITHER -> throw either(name);
            }
        }
        return taken;
    }

    /**
     * Decides by values.
     *
     * @param fitting columns with a value that can be a parameter
     * @param unfitting columns with one that can be data
     * @throws JobException with exit code 3 for a column that can be either
     */
    List<String> taken(Set<String> fitting, Set<String> unfitting) {
        List<String> taken = new ArrayList<>(sure);
        for (String name : open) {
            if (fitting.contains(name) && unfitting.contains(name)) {
                throw either(name);
            }
            if (fitting.contains(name)) {
                taken.add(name);
            }
        }
        return taken;
    }

    private JobException either(String name) {
        List<String> with = new ArrayList<>(sure);
        with.add(name);
        return JobException.input("the column " + name + " may be rows' own sampling parameter " + name
                + ", or data: say --parameter-columns " + String.join(",", with) + " if it is the parameter, or"
                + " --parameter-columns " + (sure.isEmpty() ? Columns.NONE : String.join(",", sure))
                + " if it is data");
    }
}
