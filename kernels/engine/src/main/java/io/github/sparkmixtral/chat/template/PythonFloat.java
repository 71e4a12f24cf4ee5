package io.github.sparkmixtral.chat.template;

import java.math.BigDecimal;
import java.math.MathContext;

/** Python's {@code float.__repr__}: the shortest digits that give the number back, in Python's layout. */
public final class PythonFloat {
    /** Python writes a float without an exponent if its first digit lies between these powers of ten. */
    private static final int LOWEST_PLAIN_EXPONENT = -4;

    private static final int LOWEST_SCIENTIFIC_EXPONENT = 16;

    private PythonFloat() {}

    /** As Python prints it: {@code 1.0}, {@code 1e+22}, {@code nan}. */
    public static String repr(double value) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        String sign = Math.copySign(1, value) < 0 ? "-" : "";
        double magnitude = Math.abs(value);
        if (Double.isInfinite(magnitude)) {
            return sign + "inf";
        }
        if (magnitude == 0) {
            return sign + "0.0";
        }
        BigDecimal shortest = shortest(magnitude);
        String digits = shortest.unscaledValue().toString();
        int exponent = digits.length() - 1 - shortest.scale();
        if (exponent < LOWEST_PLAIN_EXPONENT || exponent >= LOWEST_SCIENTIFIC_EXPONENT) {
            String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
            return sign
                    + digits.charAt(0)
                    + fraction
                    + (exponent < 0 ? "e-" : "e+")
                    + (Math.abs(exponent) < 10 ? "0" : "")
                    + Math.abs(exponent);
        }
        String plain = shortest.toPlainString();
        return sign + plain + (plain.contains(".") ? "" : ".0");
    }

    /** As Python's {@code json} module writes it: the same but for {@code NaN} and {@code Infinity}. */
    public static String json(double value) {
        return switch (repr(value)) {
            case "nan" -> "NaN";
            case "inf" -> "Infinity";
            case "-inf" -> "-Infinity";
            case String number -> number;
        };
    }

    private static BigDecimal shortest(double magnitude) {
        BigDecimal shortest = new BigDecimal(Double.toString(magnitude)).stripTrailingZeros();
        // Java gives at least two digits, even where one would do: 4.9E-324 for 5e-324.
        BigDecimal oneDigit = shortest.round(new MathContext(1));
        return oneDigit.doubleValue() == magnitude ? oneDigit : shortest;
    }
}
