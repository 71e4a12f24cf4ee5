package io.github.sparkmixtral.chat.template;

import java.util.List;
import java.util.Map;

/** A template's syntax tree. */
sealed interface Node {

    /** What has a value. */
    sealed interface Expression extends Node {}

    record Constant(Object value) implements Expression {}

    record Name(String name) implements Expression {}

    record ListLiteral(List<Expression> items) implements Expression {}

    record TupleLiteral(List<Expression> items) implements Expression {}

    record DictLiteral(List<Expression> keys, List<Expression> values) implements Expression {}

    record Attribute(Expression object, String name) implements Expression {}

    record Subscript(Expression object, Expression index) implements Expression {}

    /** {@code from:to:step}; a part that is absent is null. */
    record Slice(Expression from, Expression to, Expression step) implements Expression {}

    record Arguments(List<Expression> positional, Map<String, Expression> named) {
        static final Arguments NONE = new Arguments(List.of(), Map.of());
    }

    record Call(Expression function, Arguments arguments) implements Expression {}

    /** {@code value} is null for the first filter of a filter block. */
    record Filter(Expression value, String name, Arguments arguments) implements Expression {}

    record Test(Expression value, String name, Arguments arguments) implements Expression {}

    record Unary(String operator, Expression operand) implements Expression {}

    record Binary(String operator, Expression left, Expression right) implements Expression {}

    record And(Expression left, Expression right) implements Expression {}

    record Or(Expression left, Expression right) implements Expression {}

    /** {@code first operators[0] others[0] operators[1] others[1] …}. */
    record Comparison(Expression first, List<String> operators, List<Expression> others) implements Expression {}

    record Concatenation(List<Expression> parts) implements Expression {}

    /** {@code otherwise} may be null. */
    record Conditional(Expression condition, Expression then, Expression otherwise) implements Expression {}

    /** What is carried out. */
    sealed interface Statement extends Node {}

    record Data(Text text) implements Statement {}

    record Print(Expression value) implements Statement {}

    /** {@code condition} may be null. */
    record For(
            Expression target, Expression items, Expression condition, List<Statement> body, List<Statement> otherwise)
            implements Statement {}

    record If(List<Expression> conditions, List<List<Statement>> bodies, List<Statement> otherwise)
            implements Statement {}

    /** A target is a name, a tuple of targets, or an attribute of a namespace. */
    record Assignment(Expression target, Expression value) implements Statement {}

    /** {@code filter} may be null. */
    record BlockAssignment(Expression target, Expression filter, List<Statement> body) implements Statement {}

    /** The last parameters have the defaults. */
    record Macro(String name, List<String> parameters, List<Expression> defaults, List<Statement> body)
            implements Statement {}

    record CallBlock(Call call, Macro caller) implements Statement {}

    record FilterBlock(Expression filter, List<Statement> body) implements Statement {}

    /** {@code with} and {@code generation}: statements in a scope of their own. */
    record Scoped(List<Expression> targets, List<Expression> values, List<Statement> body) implements Statement {}

    enum Jump implements Statement {
        BREAK,
        CONTINUE
    }
}
