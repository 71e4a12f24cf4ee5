package io.github.sparkmixtral.chat.template;

import io.github.sparkmixtral.chat.template.Node.Expression;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Gives expressions their values. */
final class Evaluator {
    private final Budget budget;
    private final Printer printer;
    private final Operators operators;
    private final Members members;
    private final Tests tests;
    private final Filters filters;

    Evaluator(Budget budget) {
        this.budget = budget;
        printer = new Printer(budget);
        operators = new Operators(budget);
        members = new Members(budget, printer);
        tests = new Tests(operators, printer);
        filters = new Filters(budget, printer, members, tests);
    }

    Printer printer() {
        return printer;
    }

    Object value(Expression expression, Scope scope) {
        budget.enter();
        Object value = switch (expression) {
            case Node.Constant constant -> constant.value();
            case Node.Name name -> {
                Object known = scope.get(name.name());
                yield known == null ? Undefined.ofName(name.name()) : known;
            }
            case Node.ListLiteral list -> Sequence.list(values(list.items(), scope));
            case Node.TupleLiteral tuple -> new Sequence.Items(Sequence.Kind.TUPLE, values(tuple.items(), scope));
            case Node.DictLiteral dict -> dict(dict, scope);
            case Node.Attribute attribute -> members.attribute(value(attribute.object(), scope), attribute.name());
            case Node.Subscript subscript -> subscript(subscript, scope);
            case Node.Slice _ -> throw TemplateException.unsupported("a slice among several indices");
            case Node.Call call -> call(call, Map.of(), scope);
            case Node.Filter filter -> filtered(filter, null, scope);
            case Node.Test test ->
                tests.holds(test.name(), value(test.value(), scope), arguments(test.name(), test.arguments(), scope));
            case Node.Unary unary -> {
                Object operand = value(unary.operand(), scope);
                yield unary.operator().equals("not")
                        ? (Object) !Values.isTrue(operand)
                        : Operators.unary(unary.operator(), operand);
            }
            case Node.Binary binary ->
                operators.binary(binary.operator(), value(binary.left(), scope), value(binary.right(), scope));
            case Node.And and -> {
                Object left = value(and.left(), scope);
                yield Values.isTrue(left) ? value(and.right(), scope) : left;
            }
            case Node.Or or -> {
                Object left = value(or.left(), scope);
                yield Values.isTrue(left) ? left : value(or.right(), scope);
            }
            case Node.Comparison comparison -> compare(comparison, scope);
            case Node.Concatenation concatenation -> concatenate(concatenation, scope);
            case Node.Conditional conditional -> conditional(conditional, scope);
        };
        budget.leave();
        return value;
    }

    private List<Object> values(List<Expression> expressions, Scope scope) {
        List<Object> values = new ArrayList<>();
        for (Expression expression : expressions) {
            values.add(value(expression, scope));
        }
        return values;
    }

    private Dict dict(Node.DictLiteral literal, Scope scope) {
        Dict dict = new Dict();
        for (int i = 0; i < literal.keys().size(); i++) {
            dict.put(value(literal.keys().get(i), scope), value(literal.values().get(i), scope));
        }
        return dict;
    }

    private Object subscript(Node.Subscript subscript, Scope scope) {
        Object object = value(subscript.object(), scope);
        return subscript.index() instanceof Node.Slice slice
                ? members.slice(object, part(slice.from(), scope), part(slice.to(), scope), part(slice.step(), scope))
                : members.item(object, value(subscript.index(), scope));
    }

    private Object part(Expression part, Scope scope) {
        return part == null ? null : value(part, scope);
    }

    private boolean compare(Node.Comparison comparison, Scope scope) {
        Object left = value(comparison.first(), scope);
        for (int i = 0; i < comparison.operators().size(); i++) {
            Object right = value(comparison.others().get(i), scope);
            if (!operators.compare(comparison.operators().get(i), left, right)) {
                return false;
            }
            left = right;
        }
        return true;
    }

    private Text concatenate(Node.Concatenation concatenation, Scope scope) {
        Text.Builder builder = new Text.Builder(budget);
        for (Object part : values(concatenation.parts(), scope)) {
            if (part instanceof Markup) {
                throw TemplateException.unsupported("'~' with an escaped string");
            }
            builder.append(printer.text(part));
        }
        return builder.text();
    }

    private Object conditional(Node.Conditional conditional, Scope scope) {
        if (Values.isTrue(value(conditional.condition(), scope))) {
            return value(conditional.then(), scope);
        }
        return conditional.otherwise() == null
                ? new Undefined("the inline if-expression evaluated to false and no else section was defined")
                : value(conditional.otherwise(), scope);
    }

    /** The value of a chain of filters of which the first one gets {@code input}, if it has no value of its own. */
    Object filtered(Node.Filter filter, Object input, Scope scope) {
        Object value;
        if (filter.value() == null) {
            value = input;
        } else if (filter.value() instanceof Node.Filter inner && input != null) {
            value = filtered(inner, input, scope);
        } else {
            value = value(filter.value(), scope);
        }
        return filters.apply(filter.name(), value, arguments(filter.name(), filter.arguments(), scope));
    }

    private Callable.Arguments arguments(String function, Node.Arguments arguments, Scope scope) {
        Map<String, Object> named = new LinkedHashMap<>();
        List<Object> positional = values(arguments.positional(), scope);
        arguments.named().forEach((name, expression) -> named.put(name, value(expression, scope)));
        return new Callable.Arguments(function, positional, named);
    }

    /** @param more arguments by name that the call does not write itself */
    Object call(Node.Call call, Map<String, Object> more, Scope scope) {
        Object function = value(call.function(), scope);
        String name = switch (call.function()) {
            case Node.Name named -> named.name();
            case Node.Attribute attribute -> attribute.name();
            default -> "function";
        };
        if (function instanceof Callable callable) {
            Callable.Arguments arguments = arguments(name, call.arguments(), scope);
            arguments.named().putAll(more);
            return callable.call(arguments);
        }
        throw Values.wrongType(function, "is not callable");
    }
}
