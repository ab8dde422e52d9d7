//! The words of reports: one table for each language.

use super::Action;
use account::queue::Language;

/// What a report says to people.
pub(super) struct Words {
    /// Who writes: ASCII, it stands in From.
    pub system: &'static str,
    /// ASCII, or encoded (RFC 2047).
    pub subject: &'static str,
    pub what: &'static str,
    pub then: &'static str,
    /// Between a host's name and what it said.
    pub said: &'static str,
}

const ENGLISH: [Words; 4] = [
    Words {
        system: "Mail delivery",
        subject: "Your message was not delivered",
        what: "Your message could not be delivered to:",
        then: "It will not be tried again. The header of your message follows, so that you know\r\n\
               which one it was. Please check the address, or ask the recipient in another way.",
        said: "said",
    },
    Words {
        system: "Mail delivery",
        subject: "Your message is delayed",
        what: "Your message has not been delivered yet to:",
        then: "You need not do anything: it is tried again and again. You will be told if it\r\n\
               cannot be delivered at all.",
        said: "said",
    },
    Words {
        system: "Mail delivery",
        subject: "Your message was delivered",
        what: "As you asked to be told: your message was delivered to:",
        then: "Whether it was read is not known.",
        said: "said",
    },
    Words {
        system: "Mail delivery",
        subject: "Your message was passed on",
        what: "As you asked to be told: your message was passed on for:",
        then: "The next server does not tell what becomes of messages: you may hear no more of it.",
        said: "said",
    },
];

const SPANISH: [Words; 4] = [
    Words {
        system: "Entrega de correo",
        subject: "Su mensaje no se ha entregado",
        what: "No se ha podido entregar su mensaje a:",
        then: "No se volverá a intentar. Sigue la cabecera de su mensaje para que sepa de \
               cuál se\r\n\
               trata. Compruebe la dirección o póngase en contacto con el destinatario por \
               otra vía.",
        said: "dijo",
    },
    Words {
        system: "Entrega de correo",
        subject: "Su mensaje se retrasa",
        what: "Su mensaje aún no se ha entregado a:",
        then: "No tiene que hacer nada: se seguirá intentando. Se le avisará si no es posible\r\n\
               entregarlo.",
        said: "dijo",
    },
    Words {
        system: "Entrega de correo",
        subject: "Su mensaje se ha entregado",
        what: "Tal como pidió, le confirmamos que su mensaje se ha entregado a:",
        then: "No se sabe si se ha leído.",
        said: "dijo",
    },
    Words {
        system: "Entrega de correo",
        subject: "Su mensaje se ha transmitido",
        what: "Tal como pidió, le confirmamos que su mensaje se ha transmitido para:",
        then: "El servidor siguiente no informa de las entregas: es posible que no reciba \
               más avisos.",
        said: "dijo",
    },
];

const GERMAN: [Words; 4] = [
    Words {
        system: "Mailzustellung",
        subject: "Ihre Nachricht wurde nicht zugestellt",
        what: "Ihre Nachricht konnte nicht zugestellt werden an:",
        then: "Es wird nicht weiter versucht. Es folgt der Kopf Ihrer Nachricht, damit Sie \
               wissen,\r\n\
               welche es war. Bitte prüfen Sie die Adresse, oder fragen Sie den Empfänger auf\r\n\
               anderem Weg.",
        said: "sagte",
    },
    Words {
        system: "Mailzustellung",
        subject: "=?utf-8?Q?Ihre_Nachricht_versp=C3=A4tet_sich?=",
        what: "Ihre Nachricht wurde noch nicht zugestellt an:",
        then: "Sie müssen nichts tun: Es wird weiter versucht. Falls sie gar nicht \
               zugestellt werden\r\n\
               kann, erfahren Sie es.",
        said: "sagte",
    },
    Words {
        system: "Mailzustellung",
        subject: "Ihre Nachricht wurde zugestellt",
        what: "Wie gewünscht teilen wir Ihnen mit, dass Ihre Nachricht zugestellt wurde an:",
        then: "Ob sie gelesen wurde, ist nicht bekannt.",
        said: "sagte",
    },
    Words {
        system: "Mailzustellung",
        subject: "Ihre Nachricht wurde weitergegeben",
        what: "Wie gewünscht teilen wir Ihnen mit, dass Ihre Nachricht weitergegeben wurde für:",
        then: "Der nächste Server meldet Zustellungen nicht: Vielleicht hören Sie nichts weiter.",
        said: "sagte",
    },
];

pub(super) const fn of(language: Language, action: Action) -> &'static Words {
    let [failed, delayed, delivered, relayed] = match language {
        Language::English => &ENGLISH,
        Language::Spanish => &SPANISH,
        Language::German => &GERMAN,
    };
    match action {
        Action::Failed => failed,
        Action::Delayed => delayed,
        Action::Delivered => delivered,
        Action::Relayed => relayed,
    }
}
