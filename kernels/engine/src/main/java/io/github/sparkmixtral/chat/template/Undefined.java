package io.github.sparkmixtral.chat.template;

/**
 * jinja2's {@code Undefined}: prints as nothing, is false and empty, and is an error in everything else.
 *
 * @param message what the error says
 */
record Undefined(String message) {
    static Undefined ofName(String name) {
        return new Undefined("'" + name + "' is undefined");
    }

    static Undefined ofMember(Object object, String name) {
        return new Undefined("'" + Values.typeName(object) + " object' has no attribute '" + name + "'");
    }

    TemplateException failure() {
        return new TemplateException("the chat template fails: " + message);
    }
}
