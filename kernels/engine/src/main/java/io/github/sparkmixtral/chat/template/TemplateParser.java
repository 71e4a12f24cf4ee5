package io.github.sparkmixtral.chat.template;

import io.github.sparkmixtral.chat.template.Node.Expression;
import io.github.sparkmixtral.chat.template.Node.Statement;
import io.github.sparkmixtral.chat.template.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** jinja2's grammar of statements, with {@code break}, {@code continue} and transformers' {@code generation}. */
final class TemplateParser {
    private static final Set<String> KNOWN_TO_JINJA =
            Set.of("block", "extends", "include", "import", "from", "autoescape", "do", "trans", "debug");

    private final TokenStream tokens;
    private final ExpressionParser expressions;
    private boolean insideLoop;

    private TemplateParser(TokenStream tokens) {
        this.tokens = tokens;
        this.expressions = new ExpressionParser(tokens);
    }

    /**
     * Parses a template.
     *
     * @throws TemplateException naming the line and what is wrong there
     */
    static List<Statement> parse(String template) {
        TokenStream tokens = new TokenStream(Lexer.tokens(template));
        List<Statement> statements = new TemplateParser(tokens).statements(Set.of());
        if (!tokens.current().is(Kind.END)) {
            throw tokens.fault("unexpected " + tokens.current().shown());
        }
        return statements;
    }

    /** Statements up to a block with one of these names, of which the name is the next token. */
    private List<Statement> statements(Set<String> ends) {
        List<Statement> statements = new ArrayList<>();
        while (true) {
            Token token = tokens.current();
            switch (token.kind()) {
                case DATA ->
                    statements.add(new Node.Data(Text.ofTemplate(tokens.next().text())));
                case VARIABLE_BEGIN -> {
                    tokens.next();
                    statements.add(new Node.Print(expressions.tuple(true)));
                    tokens.expect(Kind.VARIABLE_END);
                }
                case BLOCK_BEGIN -> {
                    tokens.next();
                    if (tokens.current().is(Kind.NAME)
                            && ends.contains(tokens.current().text())) {
                        return statements;
                    }
                    tokens.enter();
                    statements.add(statement());
                    tokens.leave();
                    tokens.expect(Kind.BLOCK_END);
                }
                case END -> {
                    if (!ends.isEmpty()) {
                        throw tokens.fault("one of " + ends + " is missing");
                    }
                    return statements;
                }
                default -> throw tokens.fault("unexpected " + token.shown());
            }
        }
    }

    private Statement statement() {
        String tag = tokens.name();
        return switch (tag) {
            case "for" -> forLoop();
            case "if" -> condition();
            case "set" -> assignment();
            case "macro" -> macro();
            case "call" -> callBlock();
            case "filter" -> {
                Expression filter = expressions.filters();
                yield new Node.FilterBlock(filter, function("endfilter"));
            }
            case "with" -> with();
            case "generation" -> new Node.Scoped(List.of(), List.of(), function("endgeneration"));
            case "break", "continue" -> {
                if (!insideLoop) {
                    throw tokens.fault("'" + tag + "' stands outside of a loop");
                }
                yield tag.equals("break") ? Node.Jump.BREAK : Node.Jump.CONTINUE;
            }
            default -> {
                if (KNOWN_TO_JINJA.contains(tag)) {
                    throw tokens.unsupported("the tag '" + tag + "'");
                }
                throw tokens.fault("'" + tag + "' is no tag that is known here");
            }
        };
    }

    /** A body up to its end, whose name is read. */
    private List<Statement> body(String end) {
        tokens.expect(Kind.BLOCK_END);
        List<Statement> body = statements(Set.of(end));
        tokens.next();
        return body;
    }

    /** The same where a loop outside of it cannot be left. */
    private List<Statement> function(String end) {
        boolean outside = insideLoop;
        insideLoop = false;
        List<Statement> body = body(end);
        insideLoop = outside;
        return body;
    }

    private Statement forLoop() {
        Expression target = expressions.target(false);
        tokens.expectName("in");
        Expression items = expressions.tuple(false);
        Expression condition = tokens.skipName("if") ? expressions.expression() : null;
        if (tokens.current().isName("recursive")) {
            throw tokens.unsupported("a recursive loop");
        }
        tokens.expect(Kind.BLOCK_END);
        boolean outside = insideLoop;
        insideLoop = true;
        List<Statement> body = statements(Set.of("endfor", "else"));
        insideLoop = outside;
        List<Statement> otherwise = tokens.next().text().equals("else") ? body("endfor") : List.of();
        return new Node.For(target, items, condition, body, otherwise);
    }

    private Statement condition() {
        List<Expression> conditions = new ArrayList<>();
        List<List<Statement>> bodies = new ArrayList<>();
        String end;
        do {
            conditions.add(expressions.tuple(false));
            tokens.expect(Kind.BLOCK_END);
            bodies.add(statements(Set.of("elif", "else", "endif")));
            end = tokens.next().text();
        } while (end.equals("elif"));
        return new Node.If(conditions, bodies, end.equals("else") ? body("endif") : List.of());
    }

    private Statement assignment() {
        Expression target = expressions.target(true);
        if (tokens.skipOperator("=")) {
            return new Node.Assignment(target, expressions.tuple(true));
        }
        Expression filter = tokens.skipOperator("|") ? expressions.filters() : null;
        return new Node.BlockAssignment(target, filter, function("endset"));
    }

    private Statement macro() {
        String name = tokens.name();
        if (!tokens.current().isOperator("(")) {
            throw tokens.fault("'(' is wanted, not " + tokens.current().shown());
        }
        return parameters(name, "endmacro");
    }

    /** Parameters with their parentheses, if there are any, and the body. */
    private Node.Macro parameters(String name, String end) {
        List<String> parameters = new ArrayList<>();
        List<Expression> defaults = new ArrayList<>();
        if (tokens.skipOperator("(")) {
            while (!tokens.current().isOperator(")")) {
                if (!(expressions.singleTarget(false) instanceof Node.Name parameter)) {
                    throw tokens.fault("a parameter must be a name");
                }
                if (parameter.name().equals("caller")) {
                    throw tokens.unsupported("a parameter named 'caller'");
                }
                parameters.add(parameter.name());
                if (tokens.skipOperator("=")) {
                    defaults.add(expressions.expression());
                } else if (!defaults.isEmpty()) {
                    throw tokens.fault("a parameter without a default follows one with a default");
                }
                if (!tokens.skipOperator(",")) {
                    break;
                }
            }
            tokens.expectOperator(")");
        }
        return new Node.Macro(name, parameters, defaults, end.equals("endcall") ? List.of() : function(end));
    }

    private Statement callBlock() {
        Node.Macro signature = parameters("caller", "endcall");
        if (!(expressions.expression() instanceof Node.Call call)) {
            throw tokens.fault("'call' needs the call of a macro");
        }
        Node.Macro caller = new Node.Macro("caller", signature.parameters(), signature.defaults(), function("endcall"));
        return new Node.CallBlock(call, caller);
    }

    private Statement with() {
        List<Expression> targets = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!tokens.current().is(Kind.BLOCK_END)) {
            targets.add(expressions.singleTarget(false));
            tokens.expectOperator("=");
            values.add(expressions.expression());
            if (!tokens.skipOperator(",")) {
                break;
            }
        }
        return new Node.Scoped(targets, values, body("endwith"));
    }
}
