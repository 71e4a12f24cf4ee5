package io.github.sparkmixtral.chat.template;

import io.github.sparkmixtral.chat.template.Node.Expression;
import io.github.sparkmixtral.chat.template.Node.Statement;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/** Carries statements out. One rendering. */
final class Renderer {
    private final Budget budget;
    private final Evaluator evaluator;

    private enum Flow {
        ON,
        BREAK,
        CONTINUE
    }

    Renderer(Budget budget) {
        this.budget = budget;
        this.evaluator = new Evaluator(budget);
    }

    /** What statements print. */
    Text text(List<Statement> statements, Scope scope) {
        Text.Builder output = new Text.Builder(budget);
        Flow _ = run(statements, scope, output);
        return output.text();
    }

    private Flow run(List<Statement> statements, Scope scope, Text.Builder output) {
        budget.enter();
        Flow flow = Flow.ON;
        for (int i = 0; i < statements.size() && flow == Flow.ON; i++) {
            flow = run(statements.get(i), scope, output);
        }
        budget.leave();
        return flow;
    }

    private Flow run(Statement statement, Scope scope, Text.Builder output) {
        budget.step();
        switch (statement) {
            case Node.Data data -> output.append(data.text());
            case Node.Print print -> output.append(evaluator.printer().text(evaluator.value(print.value(), scope)));
            case Node.For loop -> {
                return loop(loop, scope, output);
            }
            case Node.If condition -> {
                for (int i = 0; i < condition.conditions().size(); i++) {
                    if (Values.isTrue(evaluator.value(condition.conditions().get(i), scope))) {
                        return run(condition.bodies().get(i), scope, output);
                    }
                }
                return run(condition.otherwise(), scope, output);
            }
            case Node.Assignment assignment ->
                assign(assignment.target(), evaluator.value(assignment.value(), scope), scope);
            case Node.BlockAssignment block -> {
                Object value = text(block.body(), new Scope(scope));
                if (block.filter() instanceof Node.Filter filter) {
                    value = evaluator.filtered(filter, value, scope);
                }
                assign(block.target(), value, scope);
            }
            case Node.Macro macro -> scope.set(macro.name(), function(macro, scope));
            case Node.CallBlock block -> {
                Map<String, Object> caller = Map.of("caller", function(block.caller(), scope));
                output.append(evaluator.printer().text(evaluator.call(block.call(), caller, scope)));
            }
            case Node.FilterBlock block -> {
                Text text = text(block.body(), new Scope(scope));
                Object filtered = evaluator.filtered((Node.Filter) block.filter(), text, scope);
                output.append(evaluator.printer().text(filtered));
            }
            case Node.Scoped block -> {
                Scope inner = new Scope(scope);
                for (int i = 0; i < block.targets().size(); i++) {
                    assign(
                            block.targets().get(i),
                            evaluator.value(block.values().get(i), scope),
                            inner);
                }
                return run(block.body(), inner, output);
            }
            case Node.Jump jump -> {
                return jump == Node.Jump.BREAK ? Flow.BREAK : Flow.CONTINUE;
            }
        }
        return Flow.ON;
    }

    private Flow loop(Node.For loop, Scope scope, Text.Builder output) {
        Object items = evaluator.value(loop.items(), scope);
        Iterator<Object> iterator = Values.iterator(items);
        int length = items instanceof Sequence.Generator ? -1 : Values.length(items);
        if (loop.condition() != null) {
            length = -1;
            iterator = new Selection(iterator, item -> holds(loop, item, scope), true, budget);
        }
        Loop state = new Loop(iterator, length);
        if (!state.hasNext()) {
            return run(loop.otherwise(), new Scope(scope), output);
        }
        while (state.hasNext()) {
            Scope inner = new Scope(scope);
            Object item = state.next();
            inner.set("loop", state);
            assign(loop.target(), item, inner);
            if (run(loop.body(), inner, output) == Flow.BREAK) {
                break;
            }
        }
        return Flow.ON;
    }

    private boolean holds(Node.For loop, Object item, Scope scope) {
        Scope inner = new Scope(scope);
        assign(loop.target(), item, inner);
        inner.set("loop", new Undefined("the loop variable is not accessible in a loop's condition"));
        return Values.isTrue(evaluator.value(loop.condition(), inner));
    }

    private void assign(Expression target, Object value, Scope scope) {
        switch (target) {
            case Node.Name name -> scope.set(name.name(), value);
            case Node.Attribute attribute -> {
                if (!(evaluator.value(attribute.object(), scope) instanceof Namespace namespace)) {
                    throw Values.failure("cannot assign attribute on non-namespace object");
                }
                namespace.values().put(Text.ofTemplate(attribute.name()), value);
            }
            case Node.TupleLiteral tuple -> {
                List<Object> values = Values.list(value, budget);
                if (values.size() != tuple.items().size()) {
                    throw Values.failure("there are " + values.size() + " values to unpack into "
                            + tuple.items().size());
                }
                for (int i = 0; i < values.size(); i++) {
                    assign(tuple.items().get(i), values.get(i), scope);
                }
            }
            default -> throw new IllegalStateException("no target: " + target);
        }
    }

    private Callable function(Node.Macro macro, Scope outer) {
        return arguments -> {
            Scope scope = new Scope(outer);
            Object caller = arguments.named().remove("caller");
            scope.set("caller", caller == null ? new Undefined("No caller defined") : caller);
            int required = macro.parameters().size() - macro.defaults().size();
            for (int i = 0; i < macro.parameters().size(); i++) {
                String name = macro.parameters().get(i);
                Object value = arguments.optional(i, name);
                if (value == null) {
                    value = i < required
                            ? new Undefined("parameter '" + name + "' was not provided")
                            : evaluator.value(macro.defaults().get(i - required), scope);
                }
                scope.set(name, value);
            }
            arguments.end();
            return text(macro.body(), scope);
        };
    }
}
