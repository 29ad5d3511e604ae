/** The words of the work in both languages, with what they mean; the whole glossary is docs/glossary.md. */
import * as m from '$m';

interface GlossaryWord {
  zh: string;
  en: string;
  means: () => string;
}

export const GLOSSARY: readonly { title: () => string; words: readonly GlossaryWord[] }[] = [
  {
    title: m.help_words_incident,
    words: [
      { zh: '新到', en: 'New', means: m.help_state_new },
      { zh: '待派', en: 'Pending', means: m.help_state_pending },
      { zh: '挂起', en: 'Parked', means: m.help_state_parked },
      { zh: '已派警', en: 'Dispatched', means: m.help_state_dispatched },
      { zh: '已签收', en: 'Accepted by a unit', means: m.help_state_acknowledged },
      { zh: '已出警', en: 'Unit en route', means: m.help_state_en_route },
      { zh: '已到达', en: 'Unit on scene', means: m.help_state_on_scene },
      { zh: '处置中', en: 'Being handled', means: m.help_state_working },
      { zh: '处置完毕', en: 'Units cleared', means: m.help_state_cleared },
      { zh: '已结警', en: 'Closed', means: m.help_state_closed },
    ],
  },
  {
    title: m.help_words_work,
    words: [
      { zh: '警情', en: 'Incident', means: m.help_word_incident },
      { zh: '报警', en: 'Alarm', means: m.help_word_alarm },
      { zh: '接警', en: 'Claim', means: m.help_word_claim },
      { zh: '判定', en: 'Verdict', means: m.help_word_verdict },
      { zh: '误报', en: 'False alarm', means: m.help_word_false },
      { zh: '派警', en: 'Dispatch', means: m.help_word_dispatch },
      { zh: '签收', en: 'Accept', means: m.help_word_accept },
      { zh: '结警', en: 'Close', means: m.help_word_close },
      { zh: '处置结果', en: 'Disposition', means: m.help_word_disposition },
      { zh: '处置预案', en: 'Response plan', means: m.help_word_plan },
      { zh: '恢复', en: 'Restored', means: m.help_word_restored },
    ],
  },
  {
    title: m.help_words_records,
    words: [
      { zh: '防区', en: 'Zone', means: m.help_word_zone },
      { zh: '报警主机', en: 'Panel', means: m.help_word_panel },
      { zh: '辖区', en: 'Jurisdiction', means: m.help_word_jurisdiction },
      { zh: '调看许可', en: 'View', means: m.help_word_view },
      { zh: '用途', en: 'Purpose', means: m.help_word_purpose },
      { zh: '时间点', en: 'Timestamps t0 to t16', means: m.help_word_stamps },
      { zh: '审计链头', en: 'Audit head', means: m.help_word_head },
      { zh: '待查信号', en: 'Quarantined signal', means: m.help_word_quarantine },
    ],
  },
];
