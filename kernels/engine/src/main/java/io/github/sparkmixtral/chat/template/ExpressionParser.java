package io.github.sparkmixtral.chat.template;

import io.github.sparkmixtral.chat.template.Node.Arguments;
import io.github.sparkmixtral.chat.template.Node.Expression;
import io.github.sparkmixtral.chat.template.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** jinja2's grammar of expressions, from the weakest binding to the strongest. */
final class ExpressionParser {
    /** Names that stand for something else than a variable in jinja2. */
    private static final Set<String> RESERVED = Set.of("self", "super", "varargs", "kwargs");

    private static final Map<String, Object> CONSTANTS =
            Map.of("true", true, "True", true, "false", false, "False", false, "none", None.NONE, "None", None.NONE);

    private final TokenStream tokens;

    ExpressionParser(TokenStream tokens) {
        this.tokens = tokens;
    }

    /** An expression, or several with commas between them, which are a tuple. */
    Expression tuple(boolean conditional) {
        return tuple(conditional, "");
    }

    private Expression tuple(boolean conditional, String endOperator) {
        List<Expression> items = new ArrayList<>();
        boolean comma = false;
        while (!isTupleEnd()) {
            items.add(conditional ? expression() : or());
            comma = tokens.skipOperator(",");
            if (!comma) {
                break;
            }
        }
        if (items.size() == 1 && !comma) {
            return items.getFirst();
        }
        if (items.isEmpty() && endOperator.isEmpty()) {
            throw tokens.fault(
                    "an expression is wanted, not " + tokens.current().shown());
        }
        return new Node.TupleLiteral(items);
    }

    private boolean isTupleEnd() {
        Token token = tokens.current();
        return token.is(Kind.BLOCK_END) || token.is(Kind.VARIABLE_END) || token.isOperator(")");
    }

    Expression expression() {
        tokens.enter();
        Expression then = or();
        while (tokens.skipName("if")) {
            Expression condition = or();
            Expression otherwise = tokens.skipName("else") ? expression() : null;
            then = new Node.Conditional(condition, then, otherwise);
        }
        tokens.leave();
        return then;
    }

    Expression or() {
        Expression left = and();
        while (tokens.skipName("or")) {
            left = new Node.Or(left, and());
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (tokens.skipName("and")) {
            left = new Node.And(left, not());
        }
        return left;
    }

    private Expression not() {
        if (!tokens.skipName("not")) {
            return comparison();
        }
        tokens.enter();
        Expression operand = not();
        tokens.leave();
        return new Node.Unary("not", operand);
    }

    private Expression comparison() {
        Expression first = sum();
        List<String> operators = new ArrayList<>();
        List<Expression> others = new ArrayList<>();
        while (true) {
            Token token = tokens.current();
            if (token.is(Kind.OPERATOR)
                    && Set.of("==", "!=", "<", "<=", ">", ">=").contains(token.text())) {
                operators.add(tokens.next().text());
            } else if (tokens.skipName("in")) {
                operators.add("in");
            } else if (token.isName("not") && tokens.peek().isName("in")) {
                tokens.next();
                tokens.next();
                operators.add("not in");
            } else {
                break;
            }
            others.add(sum());
        }
        return operators.isEmpty() ? first : new Node.Comparison(first, operators, others);
    }

    private Expression sum() {
        Expression left = concatenation();
        while (tokens.current().isOperator("+") || tokens.current().isOperator("-")) {
            left = new Node.Binary(tokens.next().text(), left, concatenation());
        }
        return left;
    }

    private Expression concatenation() {
        Expression first = product();
        if (!tokens.current().isOperator("~")) {
            return first;
        }
        List<Expression> parts = new ArrayList<>(List.of(first));
        while (tokens.skipOperator("~")) {
            parts.add(product());
        }
        return new Node.Concatenation(parts);
    }

    private Expression product() {
        Expression left = power();
        while (tokens.current().is(Kind.OPERATOR)
                && Set.of("*", "/", "//", "%").contains(tokens.current().text())) {
            left = new Node.Binary(tokens.next().text(), left, power());
        }
        return left;
    }

    private Expression power() {
        Expression left = unary(true);
        while (tokens.skipOperator("**")) {
            left = new Node.Binary("**", left, unary(true));
        }
        return left;
    }

    private Expression unary(boolean filters) {
        tokens.enter();
        Token token = tokens.current();
        Expression operand;
        if (token.isOperator("-") || token.isOperator("+")) {
            operand = new Node.Unary(tokens.next().text(), unary(false));
        } else {
            operand = primary();
        }
        operand = postfix(operand);
        operand = filters ? filtersAndTests(operand) : operand;
        tokens.leave();
        return operand;
    }

    private Expression primary() {
        Token token = tokens.next();
        return switch (token.kind()) {
            case NAME -> {
                if (RESERVED.contains(token.text())) {
                    throw tokens.unsupported("the name '" + token.text() + "'");
                }
                Object constant = CONSTANTS.get(token.text());
                yield constant == null ? new Node.Name(token.text()) : new Node.Constant(constant);
            }
            case STRING -> {
                StringBuilder text = new StringBuilder(token.text());
                while (tokens.current().is(Kind.STRING)) {
                    text.append(tokens.next().text());
                }
                yield new Node.Constant(Text.ofTemplate(text.toString()));
            }
            case NUMBER -> new Node.Constant(token.number());
            case OPERATOR -> literal(token);
            default -> throw tokens.fault("an expression is wanted, not " + token.shown());
        };
    }

    private Expression literal(Token token) {
        switch (token.text()) {
            case "(" -> {
                Expression inner = tuple(true, ")");
                tokens.expectOperator(")");
                return inner;
            }
            case "[" -> {
                List<Expression> items = new ArrayList<>();
                while (!tokens.current().isOperator("]")) {
                    items.add(expression());
                    if (!tokens.skipOperator(",")) {
                        break;
                    }
                }
                tokens.expectOperator("]");
                return new Node.ListLiteral(items);
            }
            case "{" -> {
                List<Expression> keys = new ArrayList<>();
                List<Expression> values = new ArrayList<>();
                while (!tokens.current().isOperator("}")) {
                    keys.add(expression());
                    tokens.expectOperator(":");
                    values.add(expression());
                    if (!tokens.skipOperator(",")) {
                        break;
                    }
                }
                tokens.expectOperator("}");
                return new Node.DictLiteral(keys, values);
            }
            default -> throw tokens.fault("an expression is wanted, not " + token.shown());
        }
    }

    private Expression postfix(Expression object) {
        Expression result = object;
        for (int links = 0; ; links++) {
            requireShort(links);
            if (tokens.skipOperator(".")) {
                Token token = tokens.next();
                result = switch (token.kind()) {
                    case NAME -> new Node.Attribute(result, token.text());
                    case NUMBER -> new Node.Subscript(result, new Node.Constant(token.number()));
                    default -> throw tokens.fault("a name is wanted, not " + token.shown());
                };
            } else if (tokens.skipOperator("[")) {
                result = new Node.Subscript(result, index());
            } else if (tokens.current().isOperator("(")) {
                result = new Node.Call(result, arguments());
            } else {
                return result;
            }
        }
    }

    private void requireShort(int links) {
        if (links > 100) {
            throw tokens.fault("an expression has more than 100 links");
        }
    }

    private Expression index() {
        List<Expression> indices = new ArrayList<>();
        do {
            if (tokens.current().isOperator("]") && !indices.isEmpty()) {
                break;
            }
            indices.add(indexOrSlice());
        } while (tokens.skipOperator(","));
        tokens.expectOperator("]");
        return indices.size() == 1 ? indices.getFirst() : new Node.TupleLiteral(indices);
    }

    private Expression indexOrSlice() {
        Expression[] parts = new Expression[3];
        boolean slice = false;
        int part = 0;
        while (!tokens.current().isOperator("]") && !tokens.current().isOperator(",")) {
            if (tokens.skipOperator(":")) {
                slice = true;
                if (++part > 2) {
                    throw tokens.fault("a slice has more than three parts");
                }
            } else if (parts[part] == null) {
                parts[part] = expression();
            } else {
                throw tokens.fault("']' is wanted, not " + tokens.current().shown());
            }
        }
        if (slice) {
            return new Node.Slice(parts[0], parts[1], parts[2]);
        }
        if (parts[0] == null) {
            throw tokens.fault("an index is wanted, not " + tokens.current().shown());
        }
        return parts[0];
    }

    /** Arguments with their parentheses. */
    Arguments arguments() {
        tokens.expectOperator("(");
        List<Expression> positional = new ArrayList<>();
        Map<String, Expression> named = new LinkedHashMap<>();
        while (!tokens.current().isOperator(")")) {
            if (tokens.current().isOperator("*") || tokens.current().isOperator("**")) {
                throw tokens.unsupported("'" + tokens.current().text() + "' before an argument");
            }
            if (tokens.current().is(Kind.NAME) && tokens.peek().isOperator("=")) {
                String name = tokens.name();
                tokens.next();
                if (named.put(name, expression()) != null) {
                    throw tokens.fault("the argument '" + name + "' is given twice");
                }
            } else if (named.isEmpty()) {
                positional.add(expression());
            } else {
                throw tokens.fault("an argument without a name follows one with a name");
            }
            if (!tokens.skipOperator(",")) {
                break;
            }
        }
        tokens.expectOperator(")");
        return new Arguments(positional, named);
    }

    private Expression filtersAndTests(Expression value) {
        Expression result = value;
        for (int links = 0; ; links++) {
            requireShort(links);
            if (tokens.skipOperator("|")) {
                result = filter(result);
            } else if (tokens.skipName("is")) {
                result = test(result);
            } else if (tokens.current().isOperator("(")) {
                result = new Node.Call(result, arguments());
            } else {
                return result;
            }
        }
    }

    /** One filter and those behind it; the first bar is read already. */
    Expression filters() {
        Expression result = filter(null);
        while (tokens.skipOperator("|")) {
            result = filter(result);
        }
        return result;
    }

    private Expression filter(Expression value) {
        String name = dottedName();
        Arguments arguments = tokens.current().isOperator("(") ? arguments() : Arguments.NONE;
        return new Node.Filter(value, name, arguments);
    }

    private Expression test(Expression value) {
        boolean negated = tokens.skipName("not");
        String name = dottedName();
        Token token = tokens.current();
        Arguments arguments = Arguments.NONE;
        if (token.isOperator("(")) {
            arguments = arguments();
        } else if (beginsArgument(token)) {
            if (token.isName("is")) {
                throw tokens.fault("tests cannot be chained with 'is'");
            }
            arguments = new Arguments(List.of(postfix(primary())), Map.of());
        }
        Expression test = new Node.Test(value, name, arguments);
        return negated ? new Node.Unary("not", test) : test;
    }

    private static boolean beginsArgument(Token token) {
        return switch (token.kind()) {
            case NAME -> !Set.of("else", "or", "and").contains(token.text());
            case STRING, NUMBER -> true;
            case OPERATOR -> token.text().equals("[") || token.text().equals("{");
            default -> false;
        };
    }

    private String dottedName() {
        StringBuilder name = new StringBuilder(tokens.name());
        while (tokens.skipOperator(".")) {
            name.append('.').append(tokens.name());
        }
        return name.toString();
    }

    /** A name, a tuple of targets, or with {@code namespaces} an attribute of a namespace. */
    Expression target(boolean namespaces) {
        List<Expression> targets = new ArrayList<>();
        boolean comma;
        do {
            if (!targets.isEmpty()
                    && (tokens.current().isName("in")
                            || !tokens.current().is(Kind.NAME)
                                    && !tokens.current().isOperator("("))) {
                return new Node.TupleLiteral(targets);
            }
            targets.add(singleTarget(namespaces));
            comma = tokens.skipOperator(",");
        } while (comma);
        return targets.size() == 1 ? targets.getFirst() : new Node.TupleLiteral(targets);
    }

    Expression singleTarget(boolean namespaces) {
        if (tokens.skipOperator("(")) {
            tokens.enter();
            Expression inner = target(namespaces);
            tokens.leave();
            tokens.expectOperator(")");
            return inner;
        }
        String name = tokens.name();
        if (CONSTANTS.containsKey(name) || RESERVED.contains(name)) {
            throw tokens.fault("'" + name + "' cannot be set");
        }
        return namespaces && tokens.skipOperator(".")
                ? new Node.Attribute(new Node.Name(name), tokens.name())
                : new Node.Name(name);
    }
}
