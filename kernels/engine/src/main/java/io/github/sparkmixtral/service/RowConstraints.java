package io.github.sparkmixtral.service;

import io.github.sparkmixtral.chat.Conversation;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.grammar.Constraint;
import io.github.sparkmixtral.grammar.Constraints;
import io.github.sparkmixtral.grammar.GrammarException;
import io.github.sparkmixtral.grammar.TokenTrie;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.regex.Pattern;

/** The constraints that rows ask for, over one model's vocabulary. */
final class RowConstraints {
    /** What a primer may open a block of code with. */
    private static final Pattern CODE_BLOCK = Pattern.compile("\\A```[a-z]*\\n");

    private final Tokenizer tokenizer;
    private final int vocabularySize;
    private Constraints constraints;

    RowConstraints(Tokenizer tokenizer, int vocabularySize) {
        this.tokenizer = tokenizer;
        this.vocabularySize = vocabularySize;
    }

    /** Null if the parameters ask for none. */
    Constraint of(SamplingParameters parameters) throws InvalidRowException {
        if (parameters.structuredOutput() == null) {
            return null;
        }
        try {
            Constraint constraint = all().of(parameters.structuredOutput());
            if (parameters.logprobs() >= 0) {
                requireFew(constraint);
            }
            return constraint;
        } catch (GrammarException | IllegalArgumentException unusable) {
            throw new InvalidRowException("invalid_parameters", unusable.getMessage());
        }
    }

    /** Each choice is scored: there is a limit. */
    static void requireFew(Constraint constraint) throws InvalidRowException {
        try {
            ChoiceScores.requireFew("the constraint", constraint.choices().size());
        } catch (IllegalArgumentException tooMany) {
            throw new InvalidRowException("invalid_parameters", tooMany.getMessage());
        }
    }

    /** Made when they are first needed, for most jobs have none. */
    private synchronized Constraints all() {
        if (constraints == null) {
            constraints = new Constraints(new TokenTrie(vocabularySize, tokenizer.textBytes()));
        }
        return constraints;
    }

    /**
     * A primer begins the answer if the constraint can begin with it, or with what it has behind the opening of a block of code; else the
     * answer alone is held to it.
     */
    static String begun(Constraint constraint, Conversation conversation) throws InvalidRowException {
        String primer = conversation.endsWithPrimer()
                ? conversation.messages().getLast().content()
                : null;
        if (primer == null) {
            return "";
        }
        String inBlock = CODE_BLOCK.matcher(primer).replaceFirst("");
        try {
            return constraint.begin(false).append(primer)
                    ? primer
                    : constraint.begin(false).append(inBlock) ? inBlock : "";
        } catch (GrammarException beyond) {
            throw new InvalidRowException(
                    "invalid_parameters", "the constraint cannot be held: " + beyond.getMessage());
        }
    }
}
