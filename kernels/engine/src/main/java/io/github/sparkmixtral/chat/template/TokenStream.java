package io.github.sparkmixtral.chat.template;

import io.github.sparkmixtral.chat.template.Token.Kind;
import java.util.List;

/** The tokens of a template, read from left to right. */
final class TokenStream {
    private static final int DEEPEST = 100;

    private final List<Token> tokens;
    private int position;
    private int depth;

    TokenStream(List<Token> tokens) {
        this.tokens = tokens;
    }

    Token current() {
        return tokens.get(position);
    }

    Token next() {
        Token token = tokens.get(position);
        position = Math.min(position + 1, tokens.size() - 1);
        return token;
    }

    Token peek() {
        return tokens.get(Math.min(position + 1, tokens.size() - 1));
    }

    boolean skipOperator(String operator) {
        boolean found = current().isOperator(operator);
        if (found) {
            next();
        }
        return found;
    }

    boolean skipName(String name) {
        boolean found = current().isName(name);
        if (found) {
            next();
        }
        return found;
    }

    void expectOperator(String operator) {
        if (!skipOperator(operator)) {
            throw fault("'" + operator + "' is wanted, not " + current().shown());
        }
    }

    void expectName(String name) {
        if (!skipName(name)) {
            throw fault("'" + name + "' is wanted, not " + current().shown());
        }
    }

    String name() {
        if (!current().is(Kind.NAME)) {
            throw fault("a name is wanted, not " + current().shown());
        }
        return next().text();
    }

    void expect(Kind kind) {
        if (!current().is(kind)) {
            throw fault(current().shown() + " is not wanted here");
        }
        next();
    }

    /** Keeps a template from nesting so deep that the stack ends. */
    void enter() {
        if (++depth > DEEPEST) {
            throw fault("it is nested more than " + DEEPEST + " deep");
        }
    }

    void leave() {
        depth--;
    }

    TemplateException fault(String message) {
        return new TemplateException("line " + current().line() + " of the chat template: " + message);
    }

    TemplateException unsupported(String construct) {
        return fault("it uses " + construct + ", which is not supported here");
    }
}
