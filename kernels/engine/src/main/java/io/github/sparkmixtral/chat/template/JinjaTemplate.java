package io.github.sparkmixtral.chat.template;

import io.github.sparkmixtral.chat.template.Node.Statement;
import java.time.Clock;
import java.util.List;

/**
 * A chat template in Jinja, set up as transformers sets jinja2 up: {@code trim_blocks}, {@code lstrip_blocks}, loop controls, the tag
 * {@code generation}, the functions {@code raise_exception} and {@code strftime_now}, its own {@code tojson}, and a sandbox in which no
 * value can be changed. Immutable; may be used by many threads at once.
 */
public final class JinjaTemplate {
    private static final int LONGEST_SOURCE = 1 << 20;

    private final String source;
    private final List<Statement> statements;

    private JinjaTemplate(String source, List<Statement> statements) {
        this.source = source;
        this.statements = statements;
    }

    /**
     * Parses a template.
     *
     * @throws TemplateException naming the line and what is wrong there, or what is not supported
     */
    public static JinjaTemplate parse(String source) {
        if (source.length() > LONGEST_SOURCE) {
            throw new TemplateException(
                    "the chat template has " + source.length() + " characters, more than " + LONGEST_SOURCE);
        }
        return new JinjaTemplate(source, TemplateParser.parse(source));
    }

    public String source() {
        return source;
    }

    /**
     * Renders the template.
     *
     * @throws TemplateException where it fails, refuses the conversation, needs what is not supported, or costs too much
     */
    public Text render(Variables variables) {
        return render(variables, Clock.systemDefaultZone());
    }

    Text render(Variables variables, Clock clock) {
        Scope globals = new Scope(null);
        new Globals(clock).putInto(globals);
        Scope scope = new Scope(globals);
        variables.values().forEach(scope::set);
        try {
            return new Renderer(new Budget()).text(statements, scope);
        } catch (StackOverflowError e) {
            // Values may nest deeper than the budget sees; no state outlives the rendering.
            throw new TemplateException("the chat template nests values too deep");
        }
    }
}
